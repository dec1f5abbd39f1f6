"""Chromium over its debugging pipe: one page, scripts off, no request but the document's.

The DevTools protocol needs no library for this: JSON messages, each ended by a NUL, on file descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage",
    "--disable-default-apps", "--mute-audio", "--disable-features=HttpsUpgrades,AutoupgradeMixedContent",
    "--remote-debugging-pipe", "about:blank",
)  # fmt: skip
#: Becomes the browser after its two pipes are at 3 and 4, where it looks for them.
START = """
import fcntl, os, sys
for there, here in enumerate([fcntl.fcntl(int(pipe), fcntl.F_DUPFD, 10) for pipe in sys.argv[1:3]], 3):
    os.dup2(here, there)
os.execv(sys.argv[3], sys.argv[3:])
"""
#: Seconds without any message after which the browser is given up.
PATIENCE = 20.0


def executable() -> str | None:
    """The browser of this machine, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Chromium:
    """A browser that shows one document after another. Ends with its context."""

    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        path = executable()
        assert path is not None
        ours_out, theirs_in = os.pipe()[::-1]
        ours_in, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", START, str(theirs_in), str(theirs_out), path,
             f"--user-data-dir={self._profile}", *FLAGS],
            pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in = ours_out, ours_in
        self._buffer = b""
        self._last_id = 0
        self._session: str | None = None
        self._document: tuple[str, bytes, str] | None = None
        self._loaded = False
        #: What is shown.
        self.url = "about:blank"

    def __enter__(self) -> Self:
        try:
            self._attach()
        except BaseException:
            self.close()
            raise
        return self

    def _attach(self) -> None:
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")
        self._call("Emulation.setScriptExecutionDisabled", value=True)
        self._call("Fetch.enable", patterns=[{"urlPattern": "*"}])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and forget its profile."""
        self._process.terminate()
        self._process.wait(10)
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(Path(self._profile), ignore_errors=True)

    def show(self, body: bytes, url: str, content_type: str = "text/html") -> None:
        """Go to `url`, which answers with `body`; returns when the document is parsed."""
        self._document = (url.partition("#")[0], body, content_type)
        self._loaded = False
        self.url = url
        self._call("Page.navigate", url=url)
        while not self._loaded:
            self._receive()

    def evaluate(self, expression: str) -> Any:
        """The JSON value of a JavaScript expression, run by the debugger."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = self._send(method, params)
        while True:
            message = self._receive()
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                result: dict[str, Any] = message["result"]
                return result

    def _send(self, method: str, params: dict[str, Any]) -> int:
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if self._session is not None and not method.startswith("Target."):
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        return self._last_id

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select.select([self._in], [], [], PATIENCE)[0], "Chromium says nothing"
            part = os.read(self._in, 1 << 20)
            assert part, "Chromium ended"
            self._buffer += part
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        if message.get("method") == "Fetch.requestPaused":
            self._answer(message["params"])
        elif message.get("method") == "Page.domContentEventFired":
            self._loaded = True
        return message

    def _answer(self, paused: dict[str, Any]) -> None:
        """The document itself is answered once, everything else refused."""
        request = paused["requestId"]
        if self._document is not None and paused["request"]["url"] == self._document[0]:
            _, body, content_type = self._document
            self._document = None
            self._send("Fetch.fulfillRequest", {
                "requestId": request, "responseCode": 200,
                "responseHeaders": [{"name": "Content-Type", "value": content_type}],
                "body": base64.b64encode(body).decode(),
            })  # fmt: skip
        else:
            self._send("Fetch.failRequest", {"requestId": request, "errorReason": "BlockedByClient"})
