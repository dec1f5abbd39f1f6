"""Thumbnails of pictures on real loopback hosts, fetched by the guarded client."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mediascrape.errors import (
    BodyTooLargeError,
    ForbiddenAddressError,
    MediascrapeError,
    UnusablePictureError,
)
from mediascrape.settings import Settings
from mediascrape.web.demo_site.site import jpeg
from mediascrape.web.problems import Problem
from mediascrape.web.server import serving
from mediascrape.web.thumbnails import service
from mediascrape.web.thumbnails.service import Thumbnails, key_of, open_thumbnails


class Host:
    """A host of pictures that counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked[path] += 1
        await self.may_answer.wait()
        if path.startswith("/picture"):
            return Response(jpeg("sea", 1), media_type="image/jpeg")
        if path == "/inward":
            return RedirectResponse("http://127.0.0.2:1/secret")
        if path == "/endless":
            return Response(bytes(17 * 1024 * 1024), media_type="image/png")
        if path == "/page":
            return Response(b"<svg onload=alert(1)>", media_type="image/svg+xml")
        return Response(b"gone", 404)


@asynccontextmanager
async def thumbnails_in(
    directory: Path, networks: str = "127.0.0.1/32", **settings: object
) -> AsyncIterator[Thumbnails]:
    given = Settings.load(data_dir=directory, allow_networks=networks, **settings)
    async with open_thumbnails(given) as thumbnails:
        assert thumbnails is not None
        yield thumbnails


@asynccontextmanager
async def hosting() -> AsyncIterator[tuple[Host, str]]:
    host = Host()
    async with serving(Starlette(routes=[Route("/{path:path}", host.answer)]), "127.0.0.1", 0) as url:
        yield host, url


async def test_a_picture_is_fetched_once_and_then_comes_from_disk(tmp_path: Path) -> None:
    async with hosting() as (host, url):
        async with thumbnails_in(tmp_path) as thumbnails:
            made = await asyncio.gather(*(thumbnails.get(f"{url}/picture", "card") for _ in range(20)))
            assert len(set(made)) == 1
            with Image.open(io.BytesIO(made[0])) as image:
                assert (image.format, image.size) == ("WEBP", (480, 360))
        async with thumbnails_in(tmp_path) as thumbnails:  # a new process
            assert await thumbnails.get(f"{url}/picture", "card") == made[0]
    assert host.asked["/picture"] == 1
    assert key_of(url, "card") != key_of(url, "large")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/gone", UnusablePictureError), ("/page", UnusablePictureError), ("/endless", BodyTooLargeError),
        ("/inward", ForbiddenAddressError),
    ],
)  # fmt: skip
async def test_what_cannot_be_had_has_a_name_and_is_not_asked_for_again(
    tmp_path: Path, path: str, error: type[MediascrapeError]
) -> None:
    async with hosting() as (host, url), thumbnails_in(tmp_path) as thumbnails:
        for _ in range(3):
            with pytest.raises(error):
                await thumbnails.get(url + path, "card")
        with pytest.raises(error):
            await thumbnails.get(url + path, "large")
        assert host.asked[path] == 1


async def test_a_private_address_is_never_contacted(tmp_path: Path) -> None:
    async with hosting() as (host, url), thumbnails_in(tmp_path, networks="") as thumbnails:
        with pytest.raises(ForbiddenAddressError):
            await thumbnails.get(f"{url}/picture", "card")
        assert not host.asked


async def test_a_viewer_who_leaves_does_not_cost_the_others_their_picture(tmp_path: Path) -> None:
    async with hosting() as (host, url), thumbnails_in(tmp_path) as thumbnails:
        host.may_answer.clear()
        left = asyncio.create_task(thumbnails.get(f"{url}/picture", "card"))
        stays = asyncio.create_task(thumbnails.get(f"{url}/picture", "card"))
        while not host.asked:
            await asyncio.sleep(0.01)
        left.cancel()
        host.may_answer.set()
        assert await stays
        assert host.asked["/picture"] == 1


async def test_so_many_at_once_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_MOST_WAITING", 8)
    async with hosting() as (host, url), thumbnails_in(tmp_path) as thumbnails:
        host.may_answer.clear()
        tasks = [asyncio.create_task(thumbnails.get(f"{url}/picture{n}", "card")) for n in range(9)]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert [type(task.exception()) for task in done] == [Problem]
        while len(host.asked) < service._MOST_FETCHES:
            await asyncio.sleep(0.01)
        assert len(host.asked) == service._MOST_FETCHES
        host.may_answer.set()
        await asyncio.wait(tasks)


async def test_closing_ends_what_is_being_made(tmp_path: Path) -> None:
    async with hosting() as (host, url):
        async with thumbnails_in(tmp_path) as thumbnails:
            host.may_answer.clear()
            task = asyncio.create_task(thumbnails.get(f"{url}/picture", "card"))
            while not host.asked:
                await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await task
        host.may_answer.set()


async def test_no_space_means_no_thumbnails(tmp_path: Path) -> None:
    async with open_thumbnails(Settings.load(data_dir=tmp_path, thumbnail_cache_bytes=0)) as thumbnails:
        assert thumbnails is None
