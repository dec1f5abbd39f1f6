"""Batched calls made one by one, with the scripts as BullMQ has them, and what they leave in the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from mediascrape.queue.lua import BATCHED, Call, claimed_job, command, load_scripts


async def dump(redis: Redis) -> dict[str, Any]:
    """All keys, with the entries of streams but without their ids."""
    found: dict[str, Any] = {}
    entries: Any
    for key in sorted(map(str, await redis.keys())):
        match await redis.type(key):
            case "hash":
                found[key] = await redis.hgetall(key)
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
    for batch, values in calls:
        own = BATCHED[batch.script.name]
        script_keys = list(batch.keys)
        for position, key in zip(own, values, strict=False):
            script_keys[position - 1] = str(key)
        sha = load_scripts()[batch.script.name].sha
        argv = values[len(own) : -1] if own else values  # the last one is the log
        commands.append(command("EVALSHA", sha, len(script_keys), *script_keys, *argv))
    return commands


def told(reply: Any) -> Any:
    """A worker's reply in a form that can be compared: a job as (id, fields), an error as its class, no time
    that goes by."""
    claimed = claimed_job(reply)
    if isinstance(reply, list) and not claimed:
        return [reply[0], reply[1], reply[2] > 0, reply[3]]
    if claimed is None:
        return type(reply) if isinstance(reply, Exception) else reply
    job_id, flat = claimed
    return job_id, dict(zip(flat[::2], flat[1::2], strict=True))
