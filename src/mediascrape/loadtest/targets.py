"""What the load driver can put under load."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final

from mediascrape.loadtest.measures import Outcome
from mediascrape.loadtest.processes import parent_of
from mediascrape.queue.connection import connect
from mediascrape.service import Mediascrape
from mediascrape.settings import Settings

#: States of jobs that have not ended.
_PENDING: Final = ("waiting", "active", "prioritized", "delayed")


class QueueTarget:
    """Queue and, where `service` has one, worker of this process.

    The queue must not hold jobs of others, or the run waits for those too.
    """

    def __init__(self, service: Mediascrape) -> None:
        self._service = service
        self.runs_jobs = service.worker is not None
        self.mode = "scrape" if self.runs_jobs else "enqueue"

    async def submit(self, urls: Sequence[str]) -> Sequence[str]:
        return [job.id for job in (await self._service.submit(urls)).jobs]

    async def pending(self) -> tuple[int, int]:
        counts = await self._service.queue.counts()
        return sum(counts[state] for state in _PENDING), counts["active"]

    async def outcomes(self, submitted: Mapping[str, float]) -> Sequence[Outcome]:
        scrapes = await self._service.store.scrapes_for(list(submitted))
        return [
            Outcome(one.outcome, submitted[job_id], one.started_at, one.finished_at, one.attempts)
            for job_id, one in scrapes.items()
        ]


async def open_target(
    mode: str, settings: Settings, stack: AsyncExitStack
) -> tuple[QueueTarget, dict[int, str]]:
    """The target of a mode, open until `stack` ends, and the names of its processes by pid."""
    service = await stack.enter_async_context(Mediascrape(settings, worker=mode == "scrape"))
    stack.push_async_callback(service.queue.obliterate, force=True)
    labels = {os.getpid(): "mediascrape and this driver"}
    if settings.queue_url is None:
        labels |= await _server_labels(service.queue_url)
    return QueueTarget(service), labels


async def _server_labels(url: str) -> dict[int, str]:
    """The embedded Valkey and its supervisor, which are no children of this process."""
    client = connect(url)
    try:
        pid = int((await client.info("server"))["process_id"])
    finally:
        await client.aclose()
    supervisor = parent_of(pid)
    return {pid: "valkey", **({supervisor: "valkey supervisor"} if supervisor else {})}
