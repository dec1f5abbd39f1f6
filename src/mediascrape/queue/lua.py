"""BullMQ's Lua scripts, as they are and made to run many times in one call.

The Lua text is read from the installed `bullmq` package, where it lies as data files
(`commands/NAME-KEYS.lua`); the package's Python code is not imported. Which KEYS and ARGV a script
takes is in its head comment. `tests/queue/test_scripts.py` holds the hash of each file, so that an
upgrade of the package cannot change one unseen.

A script defines up to forty functions before it does anything, anew in each call, and Lua makes and
collects an object for every one. Where a worker or a producer calls the same script for many jobs,
the text is therefore rearranged: the functions first, then what is left as the body of one more
function, which a loop calls once per job. What it does to the keys is the script's own doing, but for
what it would do over again for each job although nothing can have changed since the one before (`_INSTEAD`), and
for what every page goes through: a new job (`add_new.lua`), its claim (`claim.lua`), its end when it is complete
and not kept (`finish.lua`). These have the effects of BullMQ's, with fewer commands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from hiredis import pack_command
from redis.exceptions import RedisError

from mediascrape.errors import ConfigurationError

#: The scripts this package calls, as `bullmq` names their files.
SCRIPTS = (
    "addDelayedJob-6", "addJobScheduler-11", "addLog-2", "addPrioritizedJob-9", "addStandardJob-9",
    "changeDelay-4", "changePriority-7", "cleanJobsInSet-3", "drain-5", "extendLocks-1", "getCounts-1",
    "getJobs-1", "getJobScheduler-1", "getMetrics-2", "getRateLimitTtl-2", "getStateV2-8",
    "moveJobFromActiveToWait-9", "moveJobsToWait-8", "moveStalledJobsToWait-9", "moveToActive-11",
    "moveToDelayed-11", "moveToFinished-14", "obliterate-2", "pause-7", "promote-9", "releaseLock-1",
    "removeJob-2", "removeJobScheduler-3", "reprocessJob-9", "retryJob-11", "updateJobScheduler-12",
    "updateProgress-3",
)  # fmt: skip
#: Those of them that are called for many jobs at once, with the position of the job's own key, which
#: differs from job to job, where it is among the KEYS. These also take rows for the job's log.
BATCHED: Mapping[str, tuple[int, ...]] = {
    "addDelayedJob-6": (),
    "addPrioritizedJob-9": (),
    "addStandardJob-9": (),
    "moveToActive-11": (),
    "moveToDelayed-11": (5,),
    "moveToFinished-14": (12,),
    "retryJob-11": (4,),
}
#: Jobs in one call. More save little, and a call holds up the server's other clients (64: 4 ms).
BATCH = 64


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua script. `sha` is SHA-1 because that is what EVALSHA takes."""

    name: str
    source: bytes
    sha: str

    @classmethod
    def of(cls, name: str, source: bytes) -> Script:
        return cls(name, source, sha1(source, usedforsecurity=False).hexdigest())


@cache
def load_scripts() -> Mapping[str, Script]:
    """All scripts by name. Raises ConfigurationError when the `bullmq` package lacks one."""
    spec = find_spec("bullmq")
    if spec is None or spec.origin is None:
        raise ConfigurationError("the Python package bullmq, which carries the queue's scripts, is missing")
    folder = Path(spec.origin).parent / "commands"
    scripts = {}
    for name in SCRIPTS:
        try:
            source = (folder / f"{name}.lua").read_bytes()
        except OSError as error:
            raise ConfigurationError(f"the package bullmq has no script {name}: {error}") from error
        scripts[name] = Script.of(name, source)
    return scripts


@cache
def batch_scripts() -> Mapping[str, Script]:
    """The scripts of `BATCHED` by name, rearranged to run many times in one call."""
    scripts = load_scripts()
    return {
        name: Script.of(
            name,
            run_many(
                scripts[name].source.decode(), own, _instead_in(name), *_AHEAD.get(name, ("", 0))
            ).encode(),
        )
        for name, own in BATCHED.items()
    }


@cache
def scripts_by_sha() -> Mapping[str, Script]:
    """All scripts, of both sorts, by the digest EVALSHA names them with."""
    return {script.sha: script for script in (*load_scripts().values(), *batch_scripts().values())}


def script_of(command: bytes) -> Script | None:
    """The script that a packed EVALSHA command calls; None for other commands."""
    start = command.find(b"\r\n$40\r\n", 0, 64)
    if b"EVALSHA" not in command[:24] or start < 0:
        return None
    return scripts_by_sha().get(command[start + 7 : start + 47].decode())


def command(*parts: str | bytes | float) -> bytes:
    """A plain command, packed for the wire."""
    packed: bytes = pack_command(parts)  # type: ignore[arg-type]  # the stub forgets long tuples
    return packed


# --- running one many times ---------------------------------------------------------------------

#: BullMQ's build puts every function at the left margin, its `end` as well.
_FUNCTION = re.compile(r"^local (?:function \w+|\w+ = function)\b.*?^end$\n?", re.DOTALL | re.MULTILINE)


def own_source(name: str) -> str:
    """The text of a Lua file of this package."""
    return files("mediascrape.queue").joinpath(f"{name}.lua").read_text("utf-8")


#: Functions that BullMQ calls for every job, by name, and what makes them work once in a call or, the last one,
#: with fewer commands. The limit of the events and a pause stay as they are, and so does the limit of active
#: jobs, whose number does not; the stream, whose limit is a rough one anyway, is trimmed by the first job; the
#: marker stays set; what is due at one time is promoted at once.
_INSTEAD = {
    "getQueueMetadata": """
local metadata, ask_metadata = {}, getQueueMetadata
getQueueMetadata = function(meta, ...)
  if metadata[meta] == nil then
    metadata[meta] = rcall("HEXISTS", meta, "concurrency") == 0 and {ask_metadata(meta, ...)}
  end
  if metadata[meta] then return unpack(metadata[meta], 1, 3) end
  return ask_metadata(meta, ...)
end
""",
    "isQueuePausedOrMaxed": """
local paused, ask_paused = {}, isQueuePausedOrMaxed
isQueuePausedOrMaxed = function(meta, ...)
  if paused[meta] == nil then
    paused[meta] = rcall("HEXISTS", meta, "concurrency") == 0 and {ask_paused(meta, ...)}
  end
  if paused[meta] then return paused[meta][1] end
  return ask_paused(meta, ...)
end
""",
    "getOrSetMaxEvents": """
local max_events, ask_max_events = {}, getOrSetMaxEvents
getOrSetMaxEvents = function(meta)
  if not max_events[meta] then max_events[meta] = ask_max_events(meta) end
  return max_events[meta]
end
""",
    "trimEvents": """
local trimmed, trim_now = {}, trimEvents
trimEvents = function(meta, events)
  if not trimmed[events] then trimmed[events] = true; trim_now(meta, events) end
end
""",
    "addBaseMarkerIfNeeded": """
local marked, mark_now = {}, addBaseMarkerIfNeeded
addBaseMarkerIfNeeded = function(marker, is_paused_or_maxed)
  if not is_paused_or_maxed and not marked[marker] then marked[marker] = true; mark_now(marker, false) end
end
""",
    "promoteDelayedJobs": """
local promoted_at, promote_now = nil, promoteDelayedJobs
promoteDelayedJobs = function(...)
  local timestamp = select(7, ...)
  if timestamp ~= promoted_at then promoted_at = timestamp; promote_now(...) end
end
""",
    "prepareJobForProcessing": own_source("claim"),
}
#: Each job of it may be due at once, and then the next one must promote it.
_ADDS_DUE_JOBS = "moveToDelayed-11"
#: What is done for all jobs of a call before the first one, by script, and how many values it takes for it.
_AHEAD = {
    "addDelayedJob-6": (own_source("add"), 2),
    "addPrioritizedJob-9": (own_source("add"), 2),
    "addStandardJob-9": (own_source("add") + own_source("add_new"), 2),
    "moveToFinished-14": (own_source("finish"), 5),
}

_NAME = re.compile(r"^local function (\w+)")

_MANY = r"""local rcall, cmsgpack, cjson = redis.call, cmsgpack, cjson
{functions}
{instead}
local function once(KEYS, ARGV)
{body}
end
local function add_log(job, packed)
  local rows = cmsgpack.unpack(packed)
  local keep = table.remove(rows, 1)
  if rcall("EXISTS", job) == 1 then
    rcall("RPUSH", job .. ":logs", unpack(rows))
    if keep > 0 then
      rcall("LTRIM", job .. ":logs", -keep, -1)
    end
  end
end
local function joined(fields, id)
  local n = #fields + 1
  fields[n] = id
  if not string.find(table.concat(fields), "\30", 1, true) then return table.concat(fields, "\30") end
  fields[n] = nil
end
local width, keys, replies, n = tonumber(ARGV[1]), {{unpack(KEYS)}}, {{}}, 0
local at_end, arguments
{ahead}
arguments = arguments or function(first)
{own_key}  return {{unpack(ARGV, first + {own_count}, first + width - 1)}}
end
for first = {first}, #ARGV, width do
  local ok, reply = pcall(once, keys, arguments(first))
  if not ok and type(reply) == "string" then
    reply = {{err = reply}}
  end
{log}  if type(reply) == "table" and type(reply[1]) == "table" then
    reply = joined(reply[1], reply[2]) or reply
  end
  n = n + 1
  replies[n] = reply or false
end
if at_end then at_end() end
return replies
"""


def split_functions(source: str) -> tuple[list[str], str]:
    """A script's functions, in their order, and what is left of it."""
    return _FUNCTION.findall(source), _FUNCTION.sub("", source)


_OWN_KEY = "  keys[{key}] = ARGV[first]\n"
#: As BullMQ's addLog would, once the script has done its work; a log that is no list stays as it is.
_LOG = """  if ok and ARGV[first + width - 1] ~= "" and (type(reply) ~= "number" or reply >= 0) then
    pcall(add_log, keys[{key}], ARGV[first + width - 1])
  end
"""


def _instead_in(name: str) -> frozenset[str]:
    return frozenset(_INSTEAD) - ({"promoteDelayedJobs"} if name == _ADDS_DUE_JOBS else set())


def run_many(
    source: str, own_key: Sequence[int], instead: Collection[str] = (), ahead: str = "", shared: int = 0
) -> str:
    """A script that runs `source` once for each job, but with other functions for those named in `instead`.

    ahead: Lua that runs before the first job, with as many values as `shared`. It may put another function in the
    place of `once`, which does one job, of `arguments`, which gives the ARGV of one, and of `at_end`.

    KEYS are those of `source`; the one at the position `own_key`, if any, stands for nothing. ARGV is the number
    of values per job, the shared ones, then per job, unless `ahead` has it otherwise, its own key, the ARGV of
    `source` and, where it has a key of its own, rows for its log: "" or a MessagePack list of how many to keep
    (0: all) and the rows. The reply is the list of replies; for one that brings a job, see `claimed_job`. One
    that raises ends with its error in its place and hinders no other.
    """
    functions, body = split_functions(source)
    names = {name for function in functions for name in _NAME.findall(function)}
    return _MANY.format(
        functions="".join(functions),
        instead="".join(text for name, text in _INSTEAD.items() if name in names and name in instead),
        body=body,
        ahead=ahead,
        first=2 + shared,
        own_key="".join(_OWN_KEY.format(key=key) for key in own_key),
        own_count=len(own_key),
        log="".join(_LOG.format(key=key) for key in own_key),
    )


Values = tuple[str | bytes | int, ...]


class Batch:
    """One of `BATCHED` bound to a queue's keys. `width`: values per job."""

    __slots__ = ("_head", "keys", "script")

    def __init__(self, name: str, keys: Sequence[str], width: int) -> None:
        self.script = batch_scripts()[name]
        self.keys = tuple(keys)
        self._head: tuple[str | int, ...] = ("EVALSHA", self.script.sha, len(keys), *keys, width)

    def pack(self, shared: Values, values: Iterable[Values]) -> bytes:
        """The command that runs the script once for each of the `values`."""
        return command(*self._head, *shared, *chain.from_iterable(values))


def claimed_job(reply: Any) -> tuple[str, Sequence[str]] | None:
    """Id and flat fields of the job that a reply of a worker's script brings; None if it brings none.

    A batched script joins them to one text, the id last, which is a tenth of the work for the server; but not
    where the separator occurs in them.
    """
    if isinstance(reply, str):
        fields = reply.split("\x1e")
        return fields.pop(), fields
    if isinstance(reply, list) and reply[0]:
        return reply[1], reply[0]
    return None


class Call(NamedTuple):
    """One job's run of a batched script. Calls that have the same values in `shared` can go together."""

    batch: Batch
    shared: Values
    values: Values


def pack_calls(calls: Sequence[Call | bytes]) -> tuple[list[bytes], list[int]]:
    """Commands for the calls in their order, neighbours that can go together in one, and how many calls
    each command makes; 0 for one that was given packed."""
    commands: list[bytes] = []
    sizes: list[int] = []
    start = 0
    while start < len(calls):
        first = calls[start]
        if isinstance(first, bytes):
            commands.append(first)
            sizes.append(0)
            start += 1
            continue
        batch, shared, _ = first
        values = [first.values]
        for call in islice(calls, start + 1, start + BATCH):
            if isinstance(call, bytes) or call.batch is not batch or call.shared != shared:
                break
            values.append(call.values)
        commands.append(batch.pack(shared, values))
        sizes.append(len(values))
        start += len(values)
    return commands, sizes


def spread(replies: Iterable[Any], sizes: Iterable[int]) -> list[Any]:
    """The calls' replies from those of `pack_calls`'s commands. Fewer replies give fewer; the
    error of a command is that of all its calls."""
    found: list[Any] = []
    for reply, size in zip(replies, sizes, strict=False):
        if not size:
            found.append(reply)
        elif isinstance(reply, RedisError):
            found += [reply] * size
        else:
            found += reply
    return found
