"""The decoding process: nothing that a picture does to it reaches us."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from mediascrape.errors import UnusablePictureError
from mediascrape.web.demo_site.site import jpeg
from mediascrape.web.thumbnails.maker import Maker


@asynccontextmanager
async def maker(**options: float) -> AsyncIterator[Maker]:
    made = Maker(**options)
    try:
        yield made
    finally:
        await made.close()
    assert not decoders()


def decoders() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if is_decoder(child)]


def is_decoder(child: psutil.Process) -> bool:
    try:
        return "thumbnails.decoder" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # also one that has ended and waits to be taken note of
        return False


async def test_one_process_serves_all_and_survives_what_is_no_picture() -> None:
    async with maker() as one:
        first = await one.make(jpeg("sea", 1), 100)
        (process,) = decoders()
        with pytest.raises(UnusablePictureError, match="cannot be decoded"):
            await one.make(b"<svg/>", 100)
        assert await asyncio.gather(*(one.make(jpeg("sea", 1), 100) for _ in range(5))) == [first] * 5
        assert decoders() == [process]


async def test_it_holds_no_secrets_and_is_confined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIASCRAPE_TOKEN", "a-token-of-some-length")
    async with maker() as one:
        await one.make(jpeg("sea", 1), 100)
        (process,) = decoders()
        assert set(process.environ()) <= {"PYTHONPATH", "LC_CTYPE"}
        assert process.rlimit(psutil.RLIMIT_AS)[1] < 2**30
        assert process.nice() >= 10
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip() == "1000"
        assert os.getpgid(process.pid) != os.getpgid(0)
        assert os.getsid(process.pid) == os.getsid(0)  # niceness counts within a session only


async def test_a_picture_that_ends_it_costs_only_itself() -> None:
    async with maker() as one:
        await one.make(jpeg("sea", 1), 100)
        (process,) = decoders()
        process.send_signal(signal.SIGSTOP)
        task = asyncio.create_task(one.make(jpeg("sea", 1), 100))
        await asyncio.sleep(0)
        process.send_signal(signal.SIGKILL)
        with pytest.raises(UnusablePictureError, match="ended the decoder"):
            await task
        assert await one.make(jpeg("sea", 1), 100)


async def test_one_that_takes_too_long_is_given_up() -> None:
    async with maker() as one:
        await one.make(jpeg("sea", 1), 100)
        (process,) = decoders()
        process.send_signal(signal.SIGSTOP)
        one._patience_s = 0.1
        with pytest.raises(UnusablePictureError, match="too long"):
            await one.make(jpeg("sea", 1), 100)


async def test_one_that_nobody_waits_for_does_not_answer_the_next() -> None:
    async with maker() as one:
        small = await one.make(jpeg("sea", 1), 50)
        (process,) = decoders()
        process.send_signal(signal.SIGSTOP)
        task = asyncio.create_task(one.make(jpeg("sea", 1), 200))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        assert await one.make(jpeg("sea", 1), 50) == small


async def test_it_ends_when_there_is_nothing_to_do() -> None:
    async with maker(idle_s=0.01) as one:
        await one.make(jpeg("sea", 1), 100)
        async with asyncio.timeout(10):
            while one.running or decoders():
                await asyncio.sleep(0.01)
        assert await one.make(jpeg("sea", 1), 100)
