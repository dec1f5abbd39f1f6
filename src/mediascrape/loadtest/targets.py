"""What the load driver can put under load."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from mediascrape.loadtest.measures import Outcome
from mediascrape.loadtest.processes import parent_of
from mediascrape.loadtest.served import IngestClient, served
from mediascrape.queue.connection import connect
from mediascrape.service import Mediascrape
from mediascrape.settings import Settings

#: States of jobs that have not ended.
_PENDING: Final = ("waiting", "active", "prioritized", "delayed")


Submit = Callable[[Sequence[str]], Awaitable[Sequence[str]]]


class QueueTarget:
    """The queue and the store of `service`, watched from here, whoever works on them.

    submit: how jobs get into the queue. The queue must not hold jobs of others, or the run waits
    for those too.
    """

    def __init__(self, mode: str, service: Mediascrape, submit: Submit) -> None:
        self.mode = mode
        self.runs_jobs = mode != "enqueue"
        self._submit = submit
        self._service = service

    async def submit(self, urls: Sequence[str]) -> Sequence[str]:
        return await self._submit(urls)

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
    """The target of a mode, open until `stack` ends, and the names of its processes by pid.

    `scrape`: queue, store and worker in this process. `enqueue`: the same without a worker.
    `http`: `mediascrape serve` in a process of its own.
    """
    service = await stack.enter_async_context(Mediascrape(settings, worker=mode == "scrape"))
    stack.push_async_callback(service.queue.obliterate, force=True)
    labels = {os.getpid(): "this driver" if mode == "http" else "mediascrape and this driver"}
    if settings.queue_url is None:
        labels |= await _server_labels(service.queue_url)
    if mode != "http":
        return QueueTarget(mode, service, partial(_submit, service)), labels
    server = await stack.enter_async_context(served(settings))
    client = IngestClient(server.port, settings.token.get_secret_value() if settings.token else None)
    stack.callback(client.close)
    return QueueTarget(mode, service, client.submit), {**labels, server.pid: "mediascrape serve"}


async def _submit(service: Mediascrape, urls: Sequence[str]) -> list[str]:
    return [job.id for job in (await service.submit(urls)).jobs]


async def _server_labels(url: str) -> dict[int, str]:
    """The embedded Valkey and its supervisor, which are no children of this process."""
    client = connect(url)
    try:
        pid = int((await client.info("server"))["process_id"])
    finally:
        await client.aclose()
    supervisor = parent_of(pid)
    return {pid: "valkey", **({supervisor: "valkey supervisor"} if supervisor else {})}
