-- Where none of a call's jobs is known yet, as is usual, what BullMQ's addStandardJob asks and takes for one after the
-- other is asked and taken for all, to the same effect: the deduplication ids, the count of jobs, places in the line.
local wait, meta, count, active, events, marker = KEYS[1], KEYS[3], KEYS[4], KEYS[7], KEYS[8], KEYS[9]

--- Whether all are new, and so are their deduplication ids, which then are taken.
local function take_ids()
  if common then return false end
  local keys, marks, met = {}, {}, {}
  for first = 4, #ARGV, width do
    local id, mark = ARGV[first], ARGV[first + 3]
    local key, mark_key = prefix .. id, mark ~= "" and prefix .. "de:" .. mark
    if met[key] or met[mark_key] then return false end
    keys[#keys + 1], met[key] = key, true
    if mark_key then
      local n = #marks
      marks[n + 1], marks[n + 2], met[mark_key] = mark_key, id, true
    end
  end
  return rcall("EXISTS", unpack(keys)) == 0 and (#marks == 0 or rcall("MSETNX", unpack(marks)) == 1)
end

if take_ids() then
  local ids = {}
  rcall("XTRIM", events, "MAXLEN", "~", getOrSetMaxEvents(meta))
  once = function(_, ARGV)
    local _, id, name, timestamp = unpack(ARGV[1], 1, 4)
    storeJob(events, prefix .. id, id, name, ARGV[2], opts, timestamp)
    rcall("XADD", events, "*", "event", "waiting", "jobId", id)
    ids[#ids + 1] = id
    return id
  end
  at_end = function()
    if #ids == 0 then return end
    rcall("INCRBY", count, #ids)
    rcall(opts["lifo"] and "RPUSH" or "LPUSH", wait, unpack(ids))
    addBaseMarkerIfNeeded(marker, isQueuePausedOrMaxed(meta, active))
  end
end
