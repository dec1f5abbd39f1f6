--[[
  Names of the groups that keep somebody waiting, the longest wait first; forgets the others.
  KEYS[1] sorted set: group -> time until which somebody waits. ARGV[1] now in ms or "". ARGV[2] how many.
]]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
return redis.call("ZREVRANGE", KEYS[1], 0, ARGV[2] - 1)
