"""mediascrape: page URLs in; every image, video, audio file and embed on them out.

The names below are the library. They are imported when first used, so that a program which only
wants `extract` does not load a queue and a database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mediascrape.errors import MediascrapeError as MediascrapeError
    from mediascrape.parts import open_queue as open_queue
    from mediascrape.parts import open_queue_server as open_queue_server
    from mediascrape.queue.events import QueueEvent as QueueEvent
    from mediascrape.queue.events import QueueEvents as QueueEvents
    from mediascrape.queue.job import Backoff as Backoff
    from mediascrape.queue.job import JobOptions as JobOptions
    from mediascrape.queue.outcome import Postpone as Postpone
    from mediascrape.queue.queue import Queue as Queue
    from mediascrape.queue.repeat import Repeat as Repeat
    from mediascrape.queue.slots import WorkerOptions as WorkerOptions
    from mediascrape.queue.worker import Worker as Worker
    from mediascrape.scrape.extract import extract as extract
    from mediascrape.service import Mediascrape as Mediascrape
    from mediascrape.service import add_scraping_job as add_scraping_job
    from mediascrape.service import close_queue as close_queue
    from mediascrape.service import initialize_queue as initialize_queue
    from mediascrape.settings import Settings as Settings
    from mediascrape.store import MediaQuery as MediaQuery
    from mediascrape.store import Store as Store
    from mediascrape.store import open_store as open_store

_HOMES = {
    "Backoff": "queue.job",
    "JobOptions": "queue.job",
    "MediaQuery": "store",
    "Mediascrape": "service",
    "MediascrapeError": "errors",
    "Postpone": "queue.outcome",
    "Queue": "queue.queue",
    "QueueEvent": "queue.events",
    "QueueEvents": "queue.events",
    "Repeat": "queue.repeat",
    "Settings": "settings",
    "Store": "store",
    "Worker": "queue.worker",
    "WorkerOptions": "queue.slots",
    "add_scraping_job": "service",
    "close_queue": "service",
    "extract": "scrape.extract",
    "initialize_queue": "service",
    "open_queue": "parts",
    "open_queue_server": "parts",
    "open_store": "store",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  one list, not two


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
