-- Jobs that are complete and not kept, as nearly all are, to the effect of BullMQ's moveToFinished: what that asks
-- and removes for one job at a time is asked and removed for all of a call. The first job with more about it
-- (another's lock, a parent, children, a log to write) is left to BullMQ's script, and so are all after it.
-- ARGV: time, field, outcome, prefix, options; per job id, token, value, whether to claim the next, fields, log.
local active, stalled = KEYS[2], KEYS[5]
local now, field, outcome, prefix, packed = unpack(ARGV, 2, 6)
local opts, unpack_any = cmsgpack.unpack(packed), cmsgpack.unpack

cmsgpack = { unpack = function(value) return type(value) == "table" and value or unpack_any(value) end }

arguments = function(first)
  local id, token, value, claims, fields, log = unpack(ARGV, first, first + 5)
  keys[12], opts["token"] = prefix .. id, token
  return { id, now, field, value, outcome, claims, prefix, opts, fields, log }
end

--- Ids whose end or claim has come up in this call, so that what was known of them beforehand no longer holds;
--- those that are done, and the keys to be removed for them.
local touched, freed, doomed = {}, {}, {}

local function remove_ended()
  if #freed == 0 then return end
  rcall("SREM", stalled, unpack(freed))
  rcall("DEL", unpack(doomed))
  freed, doomed = {}, {}
end
at_end = remove_ended

--- What there is to know of each job, in their order; nil where one may have children or a successor.
local function look_ahead()
  local jobs, locks, family, marks = {}, {}, {}, {}
  for first = 7, #ARGV, width do
    local key = prefix .. ARGV[first]
    local name, parent_key, parent, mark = unpack(rcall("HMGET", key, "name", "parentKey", "parent", "deid"), 1, 4)
    local n = #family
    family[n + 1], family[n + 2] = key .. ":dependencies", key .. ":unsuccessful"
    family[n + 3], family[n + 4] = key .. ":processed", key .. ":failed"
    if mark then
      family[n + 5] = prefix .. "dn:" .. mark
      mark = prefix .. "de:" .. mark
      marks[#marks + 1] = mark
    end
    locks[#locks + 1] = key .. ":lock"
    jobs[#jobs + 1] = { key = key, lock = locks[#locks], mark = mark, alone = name and not parent_key and not parent }
  end
  if rcall("EXISTS", unpack(family)) > 0 then return nil end
  local tokens, ids, next_mark = rcall("MGET", unpack(locks)), #marks > 0 and rcall("MGET", unpack(marks)), 1
  for n, job in ipairs(jobs) do
    job.token = tokens[n]
    if job.mark then
      job.marked, next_mark = ids[next_mark], next_mark + 1
    end
  end
  return jobs
end

local claim_next = prepareJobForProcessing
prepareJobForProcessing = function(prefix, limiter, events, id, ...)
  if touched[id] then remove_ended() end
  touched[id] = true
  return claim_next(prefix, limiter, events, id, ...)
end

--- Whether jobs of these options leave nothing behind.
local leaves_nothing = outcome == "completed" and opts["keepJobs"]["count"] == 0 and opts["maxMetricsSize"] == ""
local finish_any, jobs, place = once, leaves_nothing and look_ahead(), 0

--- Takes a job that can be finished here out of the active ones. If it says no, nothing has changed.
local function take_out(job, id, packed_fields, packed_log)
  return job.alone and not touched[id] and job.token == opts["token"] and packed_fields == "" and packed_log == ""
    and rcall("LREM", active, -1, id) > 0
end

once = function(KEYS, ARGV)
  place = place + 1
  local job, id = jobs and jobs[place], ARGV[1]
  if not job or not take_out(job, id, ARGV[9], ARGV[10]) then
    jobs = nil
    remove_ended()
    return finish_any(KEYS, ARGV)
  end
  local events, meta, key, n = KEYS[4], KEYS[9], job.key, #doomed
  trimEvents(meta, events)
  touched[id], freed[#freed + 1] = true, id
  doomed[n + 1], doomed[n + 2], doomed[n + 3] = job.lock, key, key .. ":logs"
  if job.marked == id and rcall("PTTL", job.mark) <= 0 then doomed[n + 4] = job.mark end
  rcall("XADD", events, "*", "event", "completed", "jobId", id, field, ARGV[4], "prev", "active")
  local claimed = ARGV[6] == "1" and fetchNextJob(KEYS[1], active, KEYS[3], events, KEYS[6], KEYS[7], meta, KEYS[10],
    KEYS[14], prefix, now, opts)
  if claimed then return claimed end
  if rcall("LLEN", KEYS[1]) == 0 and rcall("LLEN", active) == 0 and rcall("ZCARD", KEYS[3]) == 0 then
    rcall("XADD", events, "*", "event", "drained")
  end
  return 0
end
