"""`mediascrape serve`: API, gallery, dashboard and worker in one process."""

from __future__ import annotations

import logging

import click

from mediascrape.allocator import settle_garbage_collector
from mediascrape.cli.logs import configure_logging
from mediascrape.cli.options import SCRAPING, SERVICE, WEB, with_settings
from mediascrape.cli.running import run
from mediascrape.settings import Settings

log = logging.getLogger(__name__)


@click.command("serve")
@with_settings(WEB, SERVICE, SCRAPING)
@click.option("--worker/--no-worker", default=True, help="Work on the queue too, or only serve.")
def serve_command(settings: Settings, worker: bool) -> None:
    """Serve the HTTP API, the gallery and the dashboard, and work on the queue.

    On loopback no token is needed. Any other address needs MEDIASCRAPE_TOKEN, which programs send
    as `Authorization: Bearer …` and people type into the login page.
    """
    from mediascrape.web.access import check_exposure

    check_exposure(settings)
    configure_logging(settings.log_level, settings.log_format)
    run(_serve(settings, worker=worker))


async def _serve(settings: Settings, *, worker: bool) -> None:
    from mediascrape.service import Mediascrape
    from mediascrape.web.app import QUEUE_PATIENCE_S, open_app
    from mediascrape.web.server import serving

    async with (
        Mediascrape(settings, worker=worker, patience_s=QUEUE_PATIENCE_S) as service,
        open_app(service) as app,
        serving(app, settings.host, settings.port, trusted_proxies=settings.trusted_proxies) as url,
    ):
        settle_garbage_collector()
        if settings.log_format == "json":  # no line is of another kind then
            log.info("mediascrape serves %s", url)
        else:
            click.echo(f"mediascrape serves {url}  (Ctrl-C stops it)", err=True)
        await service.attend()
