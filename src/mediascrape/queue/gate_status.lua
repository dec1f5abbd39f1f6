--[[
  What is known of groups, for people to read; see gate.lua for the state.
  KEYS[1] sorted set of workers, KEYS[2...] states. ARGV[1] now in ms or "".
  Returns per group: held, ms paused, ms of line, why, mean hold, gap, failures, rests; or an empty list.
]]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function why(state)
  if now < (state.paused or 0) then return state.refused == 1 and "refused" or "resting" end
  if (state.rests or 0) > 0 then return "probing" end
  if now < (state.next or 0) then return "gap" end
  return "slots"
end

local function ms_until(time) return math.max(0, math.ceil((time or now) - now)) end

local rows = {}
for i = 2, #KEYS do
  local packed = redis.call("GET", KEYS[i])
  if packed then
    local state = cmsgpack.unpack(packed)
    local held = 0
    for worker, count in pairs(state.workers) do
      local till = redis.call("ZSCORE", KEYS[1], worker)
      if till and tonumber(till) > now then held = held + count end
    end
    rows[i - 1] = {
      held, ms_until(state.paused), ms_until(state.tail), why(state),
      math.ceil(state.hold or 0), math.ceil(state.gap or 0), state.failed or 0, state.rests or 0,
    }
  else
    rows[i - 1] = {}
  end
end
return rows
