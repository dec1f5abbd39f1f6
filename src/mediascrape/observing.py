"""What is told of attempts while they run: durations by step and outcome, spans, ids for log lines.

One seam for all three, so that the main path names each step once. Counting costs about a microsecond a
step; spans are made only where a tracer is given.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from mediascrape.errors import MediascrapeError
from mediascrape.histogram import Histogram
from mediascrape.queue.outcome import Postpone

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

T = TypeVar("T")
Step = Literal["admit", "fetch", "extract", "save"]

#: For log lines: the job that the current task works on, and the request that it answers.
current_job: ContextVar[str | None] = ContextVar("current_job", default=None)
current_request: ContextVar[str | None] = ContextVar("current_request", default=None)


def ended_as(error: BaseException | None) -> str:
    """How an attempt ended, in one stable word: `ok`, an error's code, `postponed`, `cancelled` (its time
    was up, somebody asked, or the worker stops), `crash`."""
    if error is None:
        return "ok"
    if isinstance(error, MediascrapeError):
        return error.code
    if isinstance(error, Postpone):
        return "postponed"
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "crash"


class Observer:
    """Gathers what all attempts of this process tell."""

    def __init__(self, tracer: Tracer | None = None, clock: Callable[[], float] = perf_counter) -> None:
        self.tracer = tracer
        self.clock = clock
        #: Seconds that attempts took, by how they ended; seconds that steps took, those that failed too.
        self.attempts: defaultdict[str, Histogram] = defaultdict(Histogram)
        self.steps: defaultdict[str, Histogram] = defaultdict(Histogram)

    def attempt(self, job_id: str, attributes: dict[str, Any]) -> Attempt:
        """To be entered for an attempt of a job; the attributes go to its span."""
        current_job.set(job_id)  # an attempt has a task, and so a context, of its own
        return Attempt(self, "scrape-page", {"messaging.message.id": job_id, **attributes})

    def step(self, name: Step) -> Timed:
        """To be entered for a step of the attempt that is under way."""
        return Timed(self, name)

    def entering(self, name: Step, inner: AbstractAsyncContextManager[T]) -> Entering[T]:
        """The same for the entering of a context, which is passed on."""
        return Entering(self, name, inner)


class Timed:
    """One step."""

    __slots__ = ("_began", "_observer", "_span", "name")

    def __init__(self, observer: Observer, name: str, attributes: dict[str, Any] | None = None) -> None:
        self.name = name
        self._observer = observer
        tracer = observer.tracer
        self._span = None if tracer is None else tracer.start_as_current_span(name, attributes=attributes)

    def __enter__(self) -> Self:
        if self._span is not None:
            self._span.__enter__()
        self._began = self._observer.clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._note(self._observer.clock() - self._began, error)
        if self._span is not None:
            self._span.__exit__(kind, error, trace)

    def _note(self, seconds: float, error: BaseException | None) -> None:
        self._observer.steps[self.name].observe(seconds)


class Attempt(Timed):
    """One attempt, from its start to its end."""

    __slots__ = ()

    def _note(self, seconds: float, error: BaseException | None) -> None:
        outcome = ended_as(error)
        self._observer.attempts[outcome].observe(seconds)
        if self._span is not None:
            from opentelemetry.trace import get_current_span

            get_current_span().set_attribute("mediascrape.outcome", outcome)


class Entering(Generic[T]):
    """A context whose entering is a step."""

    __slots__ = ("_inner", "_name", "_observer")

    def __init__(self, observer: Observer, name: str, inner: AbstractAsyncContextManager[T]) -> None:
        self._observer = observer
        self._name = name
        self._inner = inner

    async def __aenter__(self) -> T:
        with Timed(self._observer, self._name):
            return await self._inner.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, trace)
