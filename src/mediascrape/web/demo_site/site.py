"""The sample site as an ASGI application."""

from __future__ import annotations

import asyncio
import io
import math
import struct
from functools import lru_cache
from pathlib import Path
from random import Random

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mediascrape.web.demo_site.art import MOTIFS, picture
from mediascrape.web.demo_site.content import PAGES, index_html, page_html

FILMS = Path(__file__).parent / "films"
WIDTH, HEIGHT = 480, 360
_SAMPLES = 8000


def create_site(latency_s: tuple[float, float] = (0.0, 0.0)) -> Starlette:
    """latency_s: how long pages take, from and to; which one how long is always the same."""

    async def page(request: Request) -> Response:
        number = int(request.path_params["number"])
        if not 1 <= number <= PAGES:
            return PlainTextResponse("No such page.", 404)
        await asyncio.sleep(Random(number).uniform(*latency_s))
        return HTMLResponse(page_html(number))

    return Starlette(
        routes=[
            Route("/", _index),
            Route("/robots.txt", _robots),
            Route("/page/{number:int}", page),
            Route("/tour/{number:int}", _tour),
            Route("/art/{name}.jpg", _art),
            Route("/sound/{seed:int}.wav", _sound),
            Route("/broken/{name}", _broken),
            Route("/report.pdf", _report),
            Mount("/film", StaticFiles(directory=FILMS)),
        ]
    )


async def _index(_: Request) -> Response:
    return HTMLResponse(index_html())


async def _robots(_: Request) -> Response:
    return PlainTextResponse("User-agent: *\nAllow: /\n")


async def _tour(request: Request) -> Response:
    return HTMLResponse(
        f"<!doctype html><title>Room {int(request.path_params['number'])}</title><p>A tour.</p>"
    )


async def _art(request: Request) -> Response:
    motif, _, number = request.path_params["name"].partition("-")
    if motif not in MOTIFS or not number.isdecimal() or len(number) > 6:
        return PlainTextResponse("No such picture.", 404)
    data = await asyncio.to_thread(jpeg, motif, int(number))
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "max-age=86400"})


async def _sound(request: Request) -> Response:
    return Response(melody(int(request.path_params["seed"])), media_type="audio/wav")


async def _broken(_: Request) -> Response:
    return PlainTextResponse("Out of order, on purpose.", 500)


async def _report(_: Request) -> Response:
    return Response(b"%PDF-1.4\n", media_type="application/pdf")


@lru_cache(maxsize=64)
def jpeg(motif: str, seed: int) -> bytes:
    """A picture as the site serves it."""
    buffer = io.BytesIO()
    picture(motif, seed, WIDTH, HEIGHT).save(buffer, "JPEG", quality=82, optimize=True)
    return buffer.getvalue()


def melody(seed: int) -> bytes:
    """Eight soft notes of a pentatonic scale, as a WAV file of 8 bits a sample."""
    random = Random(seed)
    samples = bytearray()
    for _ in range(8):
        pitch = 220 * 2 ** (random.choice([0, 2, 4, 7, 9, 12, 14]) / 12)
        length = _SAMPLES // 4
        for index in range(length):
            fade = math.sin(math.pi * index / length)
            samples.append(int(128 + 60 * fade * math.sin(math.tau * pitch * index / _SAMPLES)))
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, _SAMPLES,
                       _SAMPLES, 1, 8, b"data", len(samples))  # fmt: skip
    return head + bytes(samples)
