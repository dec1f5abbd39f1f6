-- In place of BullMQ's prepareJobForProcessing, to the same effect: the hash of a job that nobody has claimed before
-- is written once, where BullMQ writes it twice. With a rate limit BullMQ's own does it all.
local STARTED = { processedOn = true, pb = true, ats = true }

local function was_claimed(fields)
  for at = 1, #fields, 2 do
    if STARTED[fields[at]] then return true end
  end
  return false
end

local claim_any = prepareJobForProcessing
prepareJobForProcessing = function(prefix, limiter, events, id, now, max_jobs, duration, marker, opts)
  local key, name, token = prefix .. id, opts["name"], opts["token"]
  local fields = not max_jobs and token ~= "0" and rcall("HGETALL", key)
  if not fields or was_claimed(fields) then
    return claim_any(prefix, limiter, events, id, now, max_jobs, duration, marker, opts)
  end
  local first = #fields + 1
  local last = first
  fields[last], fields[last + 1] = "processedOn", now
  if name then
    last = last + 2
    fields[last], fields[last + 1] = "pb", name
  end
  fields[last + 2], fields[last + 3] = "ats", "1"
  rcall("SET", key .. ":lock", token, "PX", opts["lockDuration"])
  rcall("XADD", events, "*", "event", "active", "jobId", id, "prev", "waiting")
  rcall("HMSET", key, unpack(fields, first))
  addBaseMarkerIfNeeded(marker, false)
  return { fields, id, 0, 0 }
end
