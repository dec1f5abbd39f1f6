"""`mediascrape worker`: work on the queue until stopped."""

from __future__ import annotations

import logging

import click

from mediascrape.allocator import settle_garbage_collector
from mediascrape.cli.logs import configure_logging
from mediascrape.cli.options import SCRAPING, SERVICE, with_settings
from mediascrape.cli.running import run
from mediascrape.settings import Settings

log = logging.getLogger(__name__)


@click.command("worker")
@with_settings(SERVICE, SCRAPING)
def worker_command(settings: Settings) -> None:
    """Work on the queue until stopped; run as many as you like, on as many machines.

    SIGTERM or Ctrl-C lets jobs in flight end for a while (MEDIASCRAPE_SHUTDOWN_GRACE_S) and hands
    the rest back to the queue, where other workers take them at once; twice ends it now.
    """
    configure_logging(settings.log_level, settings.log_format)
    run(_work(settings))


async def _work(settings: Settings) -> None:
    from mediascrape.service import Mediascrape

    async with Mediascrape(settings) as service:
        settle_garbage_collector()
        log.info("working on the queue %s; Ctrl-C or SIGTERM stops", settings.queue_name)
        await service.attend()
