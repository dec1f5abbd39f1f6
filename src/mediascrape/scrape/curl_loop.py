"""libcurl's multi-socket interface driven by the running asyncio loop.

libcurl says which sockets to watch and when to wake it; the loop tells it what happened. Nothing here
knows of HTTP, limits or addresses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import pycurl

#: Called once when a transfer ends by itself: libcurl's result code (0: complete) and its words.
Done = Callable[[int, str], None]

_READ: Final = pycurl.POLL_IN
_WRITE: Final = pycurl.POLL_OUT


class CurlLoop:
    """Runs easy handles until they are done or aborted.

    max_idle_connections: kept open for reuse, over all hosts; the oldest is closed first.
    `close` must be called, and no handle outlives it.
    """

    def __init__(self, *, max_idle_connections: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_idle_connections)
        self._watched: dict[int, int] = {}
        self._running: dict[Any, Done] = {}
        #: The socket whose event is being handled, while it is: the only way to know a transfer's.
        self.acting_on = -1
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None

    def __len__(self) -> int:
        return len(self._running)

    def start(self, curl: Any, done: Done) -> None:
        """Begins a transfer; its callbacks run from the loop, never from within this call."""
        self._running[curl] = done
        self._multi.add_handle(curl)

    def abort(self, curl: Any) -> None:
        """Ends a transfer now, without a call to `done`. Not allowed from a libcurl callback."""
        if self._running.pop(curl, None) is not None:
            self._multi.remove_handle(curl)

    def soon(self, curl: Any, callback: Callable[[], None]) -> None:
        """Calls back from the loop, unless the transfer is over by then."""
        done = self._running.get(curl)

        def call() -> None:
            if done is not None and self._running.get(curl) is done:
                callback()

        self._loop.call_soon(call)

    def close(self) -> None:
        """Aborts what runs and closes every connection."""
        for curl in list(self._running):
            self.abort(curl)
        if self._timer is not None:
            self._timer.cancel()
        self._multi.close()
        for fd in list(self._watched):
            self._on_socket(pycurl.POLL_REMOVE, fd, None, None)

    def _on_socket(self, what: int, fd: int, multi: object, data: object) -> None:
        before = self._watched.get(fd, 0)
        after = 0 if what == pycurl.POLL_REMOVE else what
        if after & _READ and not before & _READ:
            self._loop.add_reader(fd, self._act, fd, pycurl.CSELECT_IN)
        elif before & _READ and not after & _READ:
            self._loop.remove_reader(fd)
        if after & _WRITE and not before & _WRITE:
            self._loop.add_writer(fd, self._act, fd, pycurl.CSELECT_OUT)
        elif before & _WRITE and not after & _WRITE:
            self._loop.remove_writer(fd)
        if after:
            self._watched[fd] = after
        else:
            self._watched.pop(fd, None)

    def _on_timer(self, timeout_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if timeout_ms == 0:
            self._timer = self._loop.call_soon(self._on_timeout)
        elif timeout_ms > 0:
            self._timer = self._loop.call_later(timeout_ms / 1000, self._on_timeout)

    def _on_timeout(self) -> None:
        self._timer = None
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _act(self, fd: int, event: int) -> None:
        self.acting_on = fd
        _, running = self._multi.socket_action(fd, event)
        self.acting_on = -1
        if running < len(self._running):
            self._collect()

    def _collect(self) -> None:
        more = 1
        while more:
            more, complete, failed = self._multi.info_read()
            for curl in complete:
                self._end(curl, 0, "")
            for curl, code, message in failed:
                self._end(curl, code, message)

    def _end(self, curl: Any, code: int, message: str) -> None:
        done = self._running.pop(curl, None)
        self._multi.remove_handle(curl)
        if done is not None:
            done(code, message)
