"""The small process between an embedded Valkey and the processes that use it.

Run as a file (`python -I -S valkey_supervisor.py ...`), never imported by the package: it uses few
modules of the standard library so as to stay small in memory and quick to start.

Its duties, in order:

1. Be the only one: hold an exclusive `flock` on the lock file for as long as it lives.
2. Run the server, and run it again when it crashes while somebody needs it.
3. Listen on the control socket. Each holder keeps one connection open; the kernel closes it when
   the holder dies, however it dies. When the last holder is gone, stop the server and end.

Holders are told the state in lines: `ready`, `restarting <why>`, `failed <why>`. A holder that
shuts down its writing side gives up its hold; its connection is closed once that has taken effect,
for the last one: after the server has written everything to disk and ended.

Signals to end are ignored on purpose: a service manager or a terminal sends them to a whole group
of processes, and workers need the server to hand back what they hold.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

#: Seconds a fresh supervisor waits for its first holder; its starter may have been killed.
FIRST_HOLDER_WAIT = 10.0
#: Seconds a server is given to write its files and end, before it is killed.
STOP_WAIT = 60.0
#: Seconds between two looks at a server that is not ready yet.
READY_POLL = 0.005
#: Longest pause, in seconds, before a server that keeps crashing is run again.
LONGEST_BACKOFF = 5.0
#: A server that ran this many seconds is taken for healthy when it crashes the next time.
HEALTHY_RUN = 30.0
#: Bytes after which the log is put aside at the next start.
LOG_LIMIT = 1 << 20
PR_SET_PDEATHSIG = 1


def main(lock_path: str, control_path: str, socket_path: str, log_path: str, *command: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # A group of its own, so that Ctrl-C is its users' to deal with, but not a session: Linux shares out the
    # processor by session first, and a server alone in its own waited up to 0.4 s beside a busy worker.
    os.setpgrp()
    os.umask(0o077)
    # uvloop hands its children copies of its pipes; whoever reads one would wait for our end.
    for descriptor in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
        if descriptor > 2:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)  # waits for a predecessor that is still stopping its server
    _end_orphan(socket_path)
    _trim(Path(log_path))
    Path(control_path).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(control_path)
    listener.listen(128)
    listener.setblocking(False)
    if os.fork():  # whoever started this file waits for its end, and can connect then
        os._exit(0)
    _speak_to(log_path)
    server = Server(list(command), socket_path, log_path)
    supervisor = Supervisor(server, listener)
    supervisor.run()
    # No new holder may get in from here on: it would hold a server that is about to end.
    Path(control_path).unlink(missing_ok=True)
    listener.close()
    server.stop()
    supervisor.release()


class Server:
    """One Valkey process and what is known of it."""

    def __init__(self, command: list[str], socket_path: str, log_path: str) -> None:
        self.command = command
        self.socket_path = socket_path
        self.log_path = log_path
        self.pid = 0
        self.log_start = 0

    def spawn(self) -> None:
        Path(self.socket_path).unlink(missing_ok=True)
        self.log_start = Path(self.log_path).stat().st_size
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _die_with_parent(parent)
                null = os.open(os.devnull, os.O_RDONLY)
                os.dup2(null, 0)
                os.execv(self.command[0], self.command)  # noqa: S606
            except OSError as error:
                os.write(2, f"# cannot run {self.command[0]}: {error}\n".encode())
            finally:
                os._exit(127)

    def ended(self) -> bool:
        """Whether it has ended by itself; forgets the process then."""
        if self.pid and os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = 0
        return self.pid == 0

    def answers(self) -> bool:
        """Whether it takes commands; one that is still loading its file does not."""
        return ask(self.socket_path, b"PING", 1.0).startswith(b"+PONG")

    def stop(self) -> None:
        if self.ended():
            return
        # The command takes effect at once, the signal within 100 ms, but also while it is loading.
        ask(self.socket_path, b"SHUTDOWN", 1.0)
        deadline = time.monotonic() + STOP_WAIT
        signalled = 0
        while not self.ended():
            wanted = signal.SIGTERM if time.monotonic() < deadline else signal.SIGKILL
            if signalled != wanted:
                os.kill(self.pid, wanted)
                signalled = wanted
            time.sleep(READY_POLL)

    def last_words(self) -> str:
        """The alarming lines (`#`) that it has logged since it was spawned, as one line."""
        with Path(self.log_path).open(encoding="utf-8", errors="replace") as log:
            log.seek(self.log_start)
            lines = [line.partition(" # ")[2] or line for line in log if "# WARNING" not in line]
        return " | ".join(line.strip() for line in lines[-6:]) or "it ended without a word"


class Supervisor:
    """The loop: holders come and go, the server is kept alive in between."""

    def __init__(self, server: Server, listener: socket.socket) -> None:
        self.server = server
        self.listener = listener
        self.holders: set[socket.socket] = set()
        #: Its connection stays open until the server has ended, to tell it so.
        self.last_holder: socket.socket | None = None
        self.state = "starting"
        self.why = ""
        self.crashes = 0
        self.ready_at = 0.0
        self.spawn_at = 0.0
        self.first_holder_by = time.monotonic() + FIRST_HOLDER_WAIT
        self.wakeup, waker = os.pipe()
        for end in (self.wakeup, waker):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker)
        server.spawn()

    def run(self) -> None:
        """Until the last holder is gone."""
        while self.holders or time.monotonic() < self.first_holder_by:
            self._look_after_server()
            sources: list[socket.socket | int] = [self.listener, self.wakeup, *self.holders]
            ready, _, _ = select.select(sources, [], [], self._timeout())
            for source in ready:
                if source is self.listener:
                    self._welcome()
                elif isinstance(source, socket.socket):
                    self._hear(source)
                else:
                    os.read(self.wakeup, 4096)

    def release(self) -> None:
        """Tell the last holder that all is done."""
        if self.last_holder is not None:
            self.last_holder.close()

    def _timeout(self) -> float | None:
        if self.state == "starting":
            return READY_POLL
        if self.state == "restarting":
            return max(0.0, self.spawn_at - time.monotonic())
        return None if self.holders else max(0.0, self.first_holder_by - time.monotonic())

    def _look_after_server(self) -> None:
        if self.state == "restarting":
            if time.monotonic() >= self.spawn_at:
                self.server.spawn()
                self.state = "starting"
        elif self.state != "failed" and self.server.ended():
            self._bury()
        elif self.state == "starting" and self.server.answers():
            self.ready_at = time.monotonic()
            self._tell("ready")

    def _bury(self) -> None:
        why = self.server.last_words()
        if not self.ready_at:  # it has never run: another try would end the same way
            self._tell("failed", why)
            return
        if time.monotonic() - self.ready_at > HEALTHY_RUN:
            self.crashes = 0
        pause = min(LONGEST_BACKOFF, 0.05 * 2**self.crashes)
        self.crashes = min(self.crashes + 1, 8)
        self.spawn_at = time.monotonic() + pause
        self._tell("restarting", why)

    def _tell(self, state: str, why: str = "") -> None:
        self.state = state
        self.why = why
        for holder in list(self.holders):
            self._send(holder)

    def _send(self, holder: socket.socket) -> None:
        line = f"{self.state} {self.why}".strip().replace("\n", " ")[:2000] + "\n"
        try:
            holder.sendall(line.encode())
            gone = self.state == "failed"  # the next one to come gets a fresh supervisor
        except OSError:
            gone = True
        if gone:
            self._drop(holder)

    def _welcome(self) -> None:
        try:
            holder, _ = self.listener.accept()
        except OSError:  # it went away before its turn
            return
        holder.setblocking(False)
        self.holders.add(holder)
        self.first_holder_by = 0.0
        if self.last_holder is not None:
            self.last_holder.close()
            self.last_holder = None
        if self.state != "starting":
            self._send(holder)

    def _hear(self, holder: socket.socket) -> None:
        try:
            said = holder.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._drop(holder)

    def _drop(self, holder: socket.socket) -> None:
        self.holders.discard(holder)
        if self.holders:
            holder.close()
        else:
            self.last_holder = holder


def _speak_to(log_path: str) -> None:
    """Let go of the starter's pipes; a traceback of this process goes to the log."""
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _trim(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_name(log.name + ".1"))


def _die_with_parent(parent: int) -> None:
    """On Linux the server ends when this process is killed. Elsewhere the next one ends it."""
    if sys.platform == "linux":
        import ctypes  # only in the child: it is the largest import here

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)


def _end_orphan(socket_path: str) -> None:
    """End a server whose supervisor was killed: two servers must not write one file."""
    while ask(socket_path, b"SHUTDOWN", STOP_WAIT):
        time.sleep(READY_POLL)  # it is loading, and refuses


def ask(socket_path: str, command: bytes, timeout: float) -> bytes:
    """A server's reply to one command; empty when there is none."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(socket_path)
            connection.sendall(command + b"\r\n")
            return connection.recv(256)
    except OSError:
        return b""


if __name__ == "__main__":
    main(*sys.argv[1:])
