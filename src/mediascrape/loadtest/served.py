"""`mediascrape serve` as a child process, and jobs submitted to it over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr

from mediascrape.errors import ServiceUnavailableError
from mediascrape.settings import Settings
from mediascrape.variables import describe_settings

_START_TIMEOUT_S: Final = 60
_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Served:
    """A service that answers."""

    pid: int
    port: int


def environment_of(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """The environment `base`, changed so that a child that reads it gets equal settings."""
    changed = dict(base)
    for setting in describe_settings():
        value = getattr(settings, setting.name)
        changed.pop(setting.env, None)
        if value is not None and value != ():
            changed[setting.env] = _text(value)
    return changed


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Served]:
    """Run the service on a free port of loopback until the block ends.

    Raises ServiceUnavailableError when it does not become ready.
    """
    with socket.socket() as free:
        free.bind((_HOST, 0))
        port = free.getsockname()[1]
    environment = environment_of(settings.model_copy(update={"host": _HOST, "port": port}), os.environ)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mediascrape", "serve",
        env=environment,
        cwd=settings.data_dir,  # a .env file of the working directory must not add to the environment
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await _until_ready(process, port)
        yield Served(process.pid, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _until_ready(process: asyncio.subprocess.Process, port: int) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_START_TIMEOUT_S):
            while process.returncode is None:
                if await asyncio.to_thread(_is_ready, port):
                    return
                await asyncio.sleep(0.05)
    raise ServiceUnavailableError("`mediascrape serve` did not start; its own message is above")


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(_HOST, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class IngestClient:
    """One kept connection that posts URLs, one request at a time."""

    def __init__(self, port: int, token: str | None) -> None:
        self._connection = http.client.HTTPConnection(_HOST, port, timeout=60)
        self._headers = {"content-type": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"

    async def submit(self, urls: Sequence[str]) -> list[str]:
        """Ids of the jobs. Raises ServiceUnavailableError for anything but 202."""
        try:
            return await asyncio.to_thread(self._post, list(urls))
        except (OSError, http.client.HTTPException) as error:
            raise ServiceUnavailableError(f"the service does not answer: {error}") from error

    def _post(self, urls: list[str]) -> list[str]:
        body = json.dumps({"urls": urls}).encode()
        self._connection.request("POST", "/api/media/ingest", body, self._headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != 202:
            raise ServiceUnavailableError(f"the service answered {response.status}: {answer[:200]!r}")
        return [job["id"] for job in json.loads(answer)["jobs"]]

    def close(self) -> None:
        self._connection.close()
