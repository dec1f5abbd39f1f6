"""What `mediascrape doctor` makes of what it sees: judgements without any looking.

Every finding that is not `ok` says what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mediascrape.cli.terminal import bytes_text

Verdict = Literal["ok", "warning", "error"]

#: Below this much free space the append-only file and the database may soon fail to grow.
LOW_DISK_BYTES = 1024**3
#: More than this and delays, locks and schedules of different machines disagree.
CLOCK_SKEW_S = 2.0
#: A stack with an embedded server needs this much at the least.
LOW_MEMORY_BYTES = 400 * 1024**2
#: Shares of what a server allows at which there is little left.
NEARLY_FULL, NEARLY_ALL_CONNECTIONS = 0.8, 0.8


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result; `advice` says what to do about it."""

    check: str
    verdict: Verdict
    text: str
    advice: str = ""
    exit_code: int = 1


def judge_disk(check: str, place: str, free: int) -> Finding:
    """free: bytes left where `place` lies."""
    text = f"{place}, {bytes_text(free)} free"
    if free < LOW_DISK_BYTES:
        return Finding(
            check, "warning", text, "make room: the queue and the store stop when the disk is full"
        )
    return Finding(check, "ok", text)


def judge_files(soft: int | None, hard: int | None, wanted: int) -> Finding:
    """Each request in flight holds a socket; the rest is for files and the other services. None: no limit."""
    if hard is not None and hard < wanted:
        return Finding(
            "files", "warning", f"{hard} open files allowed, {wanted} wanted",
            f"raise it (ulimit -n {wanted}; LimitNOFILE= in systemd) or lower MEDIASCRAPE_MAX_CONCURRENCY",
        )  # fmt: skip
    if soft is not None and soft < wanted:
        return Finding("files", "ok", f"{soft} open files allowed, raised to {wanted} when needed")
    return Finding("files", "ok", f"{soft or 'any number of'} open files allowed")


def judge_memory(allowed: int, available: int) -> Finding:
    """allowed: bytes of this machine or container. available: bytes that can still be taken."""
    text = f"{bytes_text(allowed)}, {bytes_text(available)} available"
    if available < LOW_MEMORY_BYTES:
        return Finding(
            "memory", "warning", text,
            "end something else, give the container more, or lower MEDIASCRAPE_MAX_CONCURRENCY "
            "and MEDIASCRAPE_BODY_BUDGET_BYTES",
        )  # fmt: skip
    return Finding("memory", "ok", text)


def judge_clock(skew_s: float) -> Finding:
    """skew_s: how far this machine's clock is from that of the queue's server, either way."""
    text = f"differs from the queue's server by {skew_s:.1f} s"
    if skew_s > CLOCK_SKEW_S:
        return Finding(
            "clock", "warning", text,
            "synchronise the clocks (NTP): delays, locks and schedules depend on them",
        )  # fmt: skip
    return Finding("clock", "ok", text)


def judge_server(info: Mapping[str, Any]) -> Iterator[Finding]:
    """Memory, disk and connections of the queue's server, from its reply to INFO; nothing when all is well."""
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if limit and used > NEARLY_FULL * limit:
        yield Finding(
            "queue", "warning", f"{bytes_text(used)} of its {bytes_text(limit)} of memory are used",
            "raise its maxmemory, add workers, or drain the queue: a full server takes no more jobs",
        )  # fmt: skip
    failing = [
        name
        for name in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
        if info.get(name, "ok") != "ok"
    ]
    if failing:
        yield Finding(
            "queue", "error", f"it cannot write to its disk ({', '.join(failing)})",
            "make room there and look into its log: until then it refuses jobs or loses them when it ends",
        )  # fmt: skip
    most, clients = int(info.get("maxclients", 0)), int(info.get("connected_clients", 0))
    if most and clients > NEARLY_ALL_CONNECTIONS * most:
        yield Finding(
            "queue", "warning", f"{clients} of {most} connections are taken",
            "raise its maxclients; each worker takes about five",
        )  # fmt: skip


def judge_connections(taken: int, most: int) -> Finding | None:
    """Connections of the PostgreSQL server; None when there are enough left."""
    if taken <= NEARLY_ALL_CONNECTIONS * most:
        return None
    return Finding(
        "store", "warning", f"{taken} of the server's {most} connections are taken",
        "raise max_connections, or lower MEDIASCRAPE_DATABASE_CONNECTIONS: each process takes up to that many",
    )  # fmt: skip
