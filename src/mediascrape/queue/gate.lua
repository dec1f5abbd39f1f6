--[[
  Admits work to groups, for all workers at once.

  KEYS[1]     sorted set: worker -> time until which it counts as alive
  KEYS[2]     sorted set: group -> time until which somebody waits or the group is paused
  KEYS[3...]  one string per group: its state, a MessagePack map (see `NOTHING` below)

  ARGV[1]     this worker
  ARGV[2]     now in ms, or "" for the server's clock, which all workers share
  ARGV[3]     MessagePack array of options, in the order they are read below
  ARGV[4]     MessagePack array of one array per group, in the order of KEYS[3...]:
                name, want, held, concurrent, gap, ok, hold sum, hold count, failed, refused, pause
                (without the last three where all is well)

  `held` is the number of slots this worker holds now, not a change of it: a call whose reply got lost
  is mended by the next one. Replies, per group: the number of slots that other workers hold if all is
  granted, else a list: granted, why the others wait, rests in a row, slots that other workers hold, and
  the delay in ms of each one that waits.
]]
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local me = ARGV[1]
local lease, rest, rest_max, failures_before_rest, hold_guess, horizon, overbook =
  unpack(cmsgpack.unpack(ARGV[3]))

--- Gaps learned from refusals: the least and the greatest, and what one success leaves of it.
local GAP_LEAST, GAP_MOST, GAP_DECAY, GAP_NONE = 100, 60000, 0.95, 10
--- Beyond the horizon: the part of a place's time that one more takes, and the least ms of it.
local FAR_PARTS, FAR_LEAST = 6, 10
--- Weight of one sample in the mean time that a slot is held.
local HOLD_WEIGHT = 0.2
--- A state is kept this long beyond its last use, in ms: longer than workers go without telling theirs.
local KEEP = 300000

redis.call("ZADD", KEYS[1], now + lease, me)

local alive = { [me] = true }
local function is_alive(worker)
  if alive[worker] == nil then
    local till = redis.call("ZSCORE", KEYS[1], worker)
    alive[worker] = till ~= false and tonumber(till) > now
    if till and not alive[worker] then redis.call("ZREM", KEYS[1], worker) end
  end
  return alive[worker]
end

--- A group's state. What is zero, or a time gone by, is not stored.
local NOTHING = {
  paused = 0,   -- until when nothing starts
  next = 0,     -- earliest next start
  promised = 0, -- the last such start that somebody was told to come back for
  tail = 0,     -- when the last one in line is due
  far = 0,      -- when the last one beyond the horizon asks again
  hold = 0,     -- mean ms that a slot is held, 0: none has come back yet
  gap = 0,      -- ms between starts learned from refusals
  failed = 0,   -- failures in a row
  rests = 0,    -- rests in a row, short pauses in parts; while > 0 one probe at a time decides
  refused = 0,  -- 1: the last rest was asked for by the group
}
local TIMES = { paused = true, next = true, promised = true, tail = true, far = true }
local STATE = { __index = NOTHING }

local function load(packed)
  -- since: when the group was first asked for; workers: worker -> slots it holds
  return packed and cmsgpack.unpack(packed) or { since = now, workers = {} }
end

local function store(key, state, busy_until)
  for name, value in pairs(state) do
    if value == 0 or (TIMES[name] and value <= now) then state[name] = nil end
  end
  redis.call("SET", key, cmsgpack.pack(state), "PX", math.ceil(busy_until - now) + KEEP)
end

local function begin_rest(state, pause, refused)
  if now < state.paused then
    -- Attempts from before the rest end during it: no news, but a longer pause asked for is obeyed.
    state.paused = math.max(state.paused, now + pause)
    return
  end
  local own = math.min(rest_max, rest * 2 ^ math.floor(state.rests))
  if pause == 0 then pause = own end
  -- A group that says when to come back is waited for as long as one that says nothing.
  state.rests = state.rests + math.min(1, pause / own)
  state.failed = 0
  state.refused = refused
  state.paused = now + pause
end

local function take_reports(state, concurrent, ok, failed, refused, pause)
  if ok > 0 then
    state.failed = 0
    if now >= state.paused then state.rests = 0 end
    state.gap = state.gap * GAP_DECAY ^ ok
    if state.gap < GAP_NONE then state.gap = 0 end
  end
  if failed > 0 then
    state.failed = state.failed + failed
    if pause > 0 or state.rests > 0 or state.failed >= failures_before_rest then
      begin_rest(state, pause, 0)
    end
  end
  if refused > 0 then
    if now >= state.paused then
      local pace = state.hold / concurrent
      state.gap = math.min(GAP_MOST, math.max(2 * state.gap, pace, GAP_LEAST))
    end
    begin_rest(state, pause, 1)
  end
end

local function others_hold(state)
  local count = 0
  for worker, held in pairs(state.workers) do
    if worker ~= me then
      if is_alive(worker) then count = count + held else state.workers[worker] = nil end
    end
  end
  return count
end

--- How many may start now, and why not more.
local function room(state, held, others, concurrent, gap)
  if now < state.paused then return 0, state.refused == 1 and "refused" or "resting" end
  local limit, why = concurrent, "slots"
  if state.rests > 0 then limit, why = 1, "probing" end
  local free = math.max(0, limit - held - others)
  if free > 0 and gap > 0 then
    if now < state.next then return 0, "gap" end
    return 1, "gap"
  end
  return free, why
end

--- Delays of `count` more in line. Places are as far apart as slots come free, and a little closer, so
--- that a slot seldom waits for its next user. Who would wait beyond the horizon gets no place, for by
--- then the group's pace may be another one: he is told to ask again after a part of that wait.
local function line_up(state, count, step, reply)
  local from = math.max(now, state.paused, state.next)
  state.tail = math.max(state.tail, from)
  state.far = math.max(state.far, from + horizon / 2)
  if state.next <= now then state.promised = state.next end
  for _ = 1, count do
    local due
    if state.promised < state.next then
      -- The next start has a time of its own. One comes back exactly then.
      state.promised = state.next
      due = state.next
    elseif state.tail + step - from <= horizon then
      state.tail = state.tail + step
      due = state.tail
    else
      state.far = state.far + math.max(step / FAR_PARTS, FAR_LEAST)
      due = state.far
    end
    reply[#reply + 1] = math.ceil(due - now)
  end
end

--- The mean time that a slot is held, some more of which have come back.
local function mean_hold(mean, sum, count)
  if count == 0 then return mean end
  local weight = mean == 0 and 1 or 1 - (1 - HOLD_WEIGHT) ^ count
  return mean + (math.max(1, sum / count) - mean) * weight
end

--- Serves a group of which nothing is known but who holds how many slots and for how long, as of most, if there
--- is room for all: what the rest of this file does, in short.
local function serve_calm(key, state, want, held, concurrent, hold_sum, hold_count)
  if state.paused or state.next or state.promised or state.tail or state.far or state.gap or state.failed
    or state.rests or state.refused then return nil end
  local others = others_hold(state)
  if want > 0 and want > concurrent - held - others then return nil end
  local hold, holds = mean_hold(state.hold or 0, hold_sum, hold_count), held + want
  state.hold = hold > 0 and hold or nil
  state.workers[me] = holds > 0 and holds or nil
  redis.call("SET", key, cmsgpack.pack(state), "PX", KEEP)
  return others
end

local function serve(key, packed, entry)
  local name, want, held, concurrent, least_gap, ok, hold_sum, hold_count, failed, refused, pause = unpack(entry)
  local state = load(packed)
  if not failed and least_gap == 0 then
    local others = serve_calm(key, state, want, held, concurrent, hold_sum, hold_count)
    if others then return others end
  end
  setmetatable(state, STATE)
  take_reports(state, concurrent, ok, failed or 0, refused or 0, pause or 0)
  state.hold = mean_hold(state.hold, hold_sum, hold_count)

  local gap = math.max(least_gap, state.gap)
  local others = others_hold(state)
  local free, why = room(state, held, others, concurrent, gap)
  local granted = math.min(want, free)
  local reply = granted < want and { granted, why, state.rests, others } or others
  if granted > 0 and gap > 0 then state.next = now + gap end
  if want > granted then
    -- Before the first slot comes back, the time they have been gone is the best guess.
    local hold = state.hold > 0 and state.hold or math.max(hold_guess, now - state.since)
    line_up(state, want - granted, math.max(gap, hold / concurrent) / overbook, reply)
  end

  held = held + granted
  state.workers[me] = held > 0 and held or nil
  local busy_until = math.max(now, state.paused, state.tail, state.next)
  if want > granted or now < state.paused then redis.call("ZADD", KEYS[2], busy_until, name) end
  store(key, state, busy_until)
  return reply
end

local states = redis.call("MGET", unpack(KEYS, 3))
local replies = {}
for i, entry in ipairs(cmsgpack.unpack(ARGV[4])) do replies[i] = serve(KEYS[i + 2], states[i], entry) end
return replies
