"""`mediascrape demo`: the service over a sample site, no internet needed."""

from __future__ import annotations

import asyncio
import tempfile
from ipaddress import ip_network
from pathlib import Path

import click

from mediascrape.cli.logs import configure_logging
from mediascrape.cli.options import WEB, with_settings
from mediascrape.cli.running import run
from mediascrape.settings import Settings

#: Seconds that the sample site's pages take: slow enough to watch.
_LATENCY_S = (0.3, 1.6)
_HOST_CONCURRENCY = 4


@click.command("demo")
@with_settings(WEB)
def demo_command(settings: Settings) -> None:
    """Try it: the whole service over a bundled sample site, already submitted.

    Nothing leaves this machine, and what it stores is gone when it stops.
    """
    from mediascrape.web.access import check_exposure

    check_exposure(settings)
    configure_logging("error")
    with tempfile.TemporaryDirectory(prefix="mediascrape-demo-") as folder:
        run(_demo(settings, Path(folder)))


async def _demo(settings: Settings, folder: Path) -> None:
    from mediascrape.service import Mediascrape
    from mediascrape.web.app import open_app
    from mediascrape.web.demo_site.content import paths
    from mediascrape.web.demo_site.site import create_site
    from mediascrape.web.server import serving

    own = settings.model_copy(
        update={
            "data_dir": folder,
            "redis_url": None,
            "redis_host": None,
            "database_url": None,
            "allow_networks": (ip_network("127.0.0.0/8"),),
            "host_concurrency": _HOST_CONCURRENCY,
        }
    )
    async with (
        serving(create_site(_LATENCY_S), "127.0.0.1", 0) as site,
        Mediascrape(own) as service,
        open_app(service) as app,
        serving(app, own.host, own.port, trusted_proxies=own.trusted_proxies) as url,
    ):
        submission = await service.submit(site + path for path in paths())
        click.echo(
            f"Gallery  {url}/\n"
            f"Queue    {url}/queue\n"
            f"Submit   {url}/submit\n\n"
            f"{submission.queued} pages of {site} are being scraped; watch the gallery fill.\n"
            "Ctrl-C stops the demo and deletes what it stored.",
        )
        await asyncio.Event().wait()
