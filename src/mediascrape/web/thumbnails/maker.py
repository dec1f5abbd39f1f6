"""Hands pictures to the decoding process, one at a time, and does without it when it fails.

Decoders of some formats hold the interpreter's lock for as long as they work, and all of them are fed bytes that
strangers made: in a process of their own they hold up nothing, and what breaks them breaks nothing else.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

from mediascrape.errors import UnusablePictureError
from mediascrape.web.thumbnails.decoder import REPLY, REQUEST

_COMMAND: Final = (sys.executable, "-P", "-m", "mediascrape.web.thumbnails.decoder")
#: A picture that takes longer, the start of the process included, is given up.
_PATIENCE_S: Final = 20.0
#: A process without work for so long is ended: it holds some 40 MB.
_IDLE_S: Final = 60.0


class Maker:
    """Starts the process when it is first needed. Call `close` at the end."""

    def __init__(self, patience_s: float = _PATIENCE_S, idle_s: float = _IDLE_S) -> None:
        self._patience_s = patience_s
        self._idle_s = idle_s
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._retirement: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> bool:
        return self._process is not None

    async def make(self, data: bytes, edge: int) -> bytes:
        """`make_thumbnail` in the other process. Raises UnusablePictureError, also for one that ends it."""
        async with self._lock:
            self._stay()
            try:
                async with asyncio.timeout(self._patience_s):
                    made, answer = await self._exchange(data, edge)
            except TimeoutError:
                self._end()
                raise UnusablePictureError("decoding it takes too long") from None
            except (OSError, EOFError):
                self._end()
                raise UnusablePictureError("decoding it ended the decoder") from None
            except BaseException:  # cancelled with a reply outstanding
                self._end()
                raise
            self._retirement = asyncio.get_running_loop().call_later(self._idle_s, self._end)
        if not made:
            raise UnusablePictureError(answer.decode())
        return answer

    async def close(self) -> None:
        """End the process and wait until it has."""
        self._stay()
        self._end()
        await asyncio.gather(*self._ending)

    async def _exchange(self, data: bytes, edge: int) -> tuple[bool, bytes]:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
                env={"PYTHONPATH": os.pathsep.join(sys.path)},  # nothing else: tokens are in ours
            )  # fmt: skip
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(REQUEST.pack(edge, len(data)))
        stdin.write(data)
        await stdin.drain()
        made, length = REPLY.unpack(await stdout.readexactly(REPLY.size))
        return made, await stdout.readexactly(length)

    def _stay(self) -> None:
        if self._retirement is not None:
            self._retirement.cancel()
            self._retirement = None

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            task = asyncio.create_task(_killed(process), name="decoder-end")
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


async def _killed(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()  # also closes the pipes
