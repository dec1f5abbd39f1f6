"""Batched calls made one by one, with the scripts as BullMQ has them, and what they leave in the server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from msgpack import unpackb
from redis.asyncio import Redis

from mediascrape.queue.lua import BATCHED, Call, Values, claimed_job, command, load_scripts
from mediascrape.queue.wire import pack


async def dump(redis: Redis) -> dict[str, Any]:
    """All keys, with the entries of streams but without their ids."""
    found: dict[str, Any] = {}
    entries: Any
    for key in sorted(map(str, await redis.keys())):
        match await redis.type(key):
            case "hash":
                found[key] = await redis.hgetall(key)
                if "opts" in found[key]:  # the order of these is nobody's business
                    found[key]["opts"] = json.loads(found[key]["opts"])
            case "list":
                found[key] = await redis.lrange(key, 0, -1)
            case "set":
                found[key] = sorted(await redis.smembers(key))
            case "zset":
                found[key] = await redis.zrange(key, 0, -1, withscores=True)
            case "stream":
                entries = await redis.xrange(key)
                found[key] = [fields for _, fields in entries]
            case "string":
                found[key] = await redis.get(key), await redis.ttl(key) > 0
            case kind:
                found[key] = kind
    return found


def one_by_one(calls: Sequence[Call]) -> list[bytes]:
    """The same calls of the package's own scripts, as they are."""
    commands = []
    for call in calls:
        script_keys, (job_key, argv) = list(call.batch.keys), of_bullmq(call)
        for position in BATCHED[call.batch.script.name]:
            script_keys[position - 1] = job_key
        sha = load_scripts()[call.batch.script.name].sha
        commands.append(command("EVALSHA", sha, len(script_keys), *script_keys, *argv))
    return commands


def of_bullmq(call: Call) -> tuple[str, Values]:
    """The job's key and the ARGV that BullMQ's script takes for the call."""
    name = call.batch.script.name
    shared: tuple[Any, ...] = call.shared
    values: tuple[Any, ...] = call.values
    if name.startswith("add"):
        prefix, packed = shared
        job_id, job_name, timestamp, mark, data = values
        options = unpackb(packed)
        if mark:
            options["de"] = {"id": mark}
        mark_key = f"{prefix}de:{options['de']['id']}" if "de" in options else None
        head = pack([prefix, job_id, job_name, timestamp, None, None, None, None, mark_key])
        return f"{prefix}{job_id}", (head, data, pack(options))
    if name == "moveToFinished-14":
        now, field, outcome, prefix, packed = shared
        job_id, token, value, claims, fields, _log = values
        options = pack({**unpackb(packed), "token": token})
        return f"{prefix}{job_id}", (job_id, now, field, value, outcome, claims, prefix, options, fields)
    if name == "moveToActive-11":
        return "", values
    return str(values[0]), values[1:-1]  # the last one is the log


def told(reply: Any) -> Any:
    """A worker's reply in a form that can be compared: a job as (id, fields), an error as its class, no time
    that goes by."""
    claimed = claimed_job(reply)
    if isinstance(reply, list) and not claimed:
        return [reply[0], reply[1], reply[2] > 0, reply[3]]
    if claimed is None:
        return type(reply) if isinstance(reply, Exception) else reply
    job_id, flat = claimed
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    return job_id, fields | {"opts": json.loads(fields.get("opts", "null"))}
