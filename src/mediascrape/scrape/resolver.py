"""Names to addresses: our own, so that the addresses vetted are the very ones connected to.

The HTTP client is never given a name to resolve. One lookup per name runs at a time, however many
tasks ask; answers and failures are kept for a short while; the number of names kept is bounded.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from mediascrape.errors import DNSFailureError, HostNotFoundError, ScrapeError
from mediascrape.scrape.guard import IPAddress

#: Resolves one name to addresses in text form, best first. Raises socket.gaierror.
Lookup = Callable[[str], Awaitable[list[str]]]

#: getaddrinfo's ways to say that the name does not exist; all others may pass (RFC 3493).
_NOT_FOUND = frozenset(
    code
    for code in (getattr(socket, name, None) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY"))
    if code is not None
)


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """Times in seconds. max_lookups bounds the threads that wait in getaddrinfo; timeout_s counts from the
    moment a lookup's turn has come."""

    ttl_s: float = 60.0
    negative_ttl_s: float = 5.0
    timeout_s: float = 5.0
    max_names: int = 10_000
    max_lookups: int = 64


@dataclass(frozen=True, slots=True)
class _Answer:
    expires: float
    addresses: tuple[IPAddress, ...]
    failure: type[ScrapeError] | None = None


class Resolver:
    """lookup: replaces the system's getaddrinfo."""

    def __init__(self, options: ResolverOptions | None = None, lookup: Lookup | None = None) -> None:
        self._options = options or ResolverOptions()
        self._lookup = lookup or self._system_lookup
        self._threads: ThreadPoolExecutor | None = None
        self._turns = asyncio.Semaphore(self._options.max_lookups)
        self._answers: dict[str, _Answer] = {}
        self._pending: dict[str, asyncio.Task[_Answer]] = {}

    async def resolve(self, name: str) -> tuple[IPAddress, ...]:
        """The name's addresses, at least one, in the order to try them; none of them vetted.

        Raises HostNotFoundError or DNSFailureError.
        """
        name = name.lower()
        answer = self._answers.get(name)
        if answer is None or answer.expires <= asyncio.get_running_loop().time():
            answer = await self._ask(name)
        if answer.failure is not None:
            raise answer.failure(f"{name!r} " + _FAILURE_TEXT[answer.failure])
        return answer.addresses

    def demote(self, name: str, address: IPAddress) -> None:
        """Puts an address that could not be connected to last, until the name is looked up again."""
        answer = self._answers.get(name.lower())
        if answer is not None and address in answer.addresses:
            others = tuple(other for other in answer.addresses if other != address)
            self._answers[name.lower()] = replace(answer, addresses=(*others, address))

    def close(self) -> None:
        """Ends pending lookups; their threads end when getaddrinfo returns."""
        for task in self._pending.values():
            task.cancel()
        self._pending.clear()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def _ask(self, name: str) -> _Answer:
        task = self._pending.get(name)
        if task is None:
            task = asyncio.create_task(self._answer(name), name=f"resolve {name}")
            self._pending[name] = task
            task.add_done_callback(lambda _: self._pending.pop(name, None))
        # A caller that is cancelled must not take the answer from the others.
        return await asyncio.shield(task)

    async def _answer(self, name: str) -> _Answer:
        addresses: tuple[IPAddress, ...] = ()
        failure: type[ScrapeError] | None = None
        try:
            async with self._turns, asyncio.timeout(self._options.timeout_s):
                found = await self._lookup(name)
            addresses = tuple(dict.fromkeys(ipaddress.ip_address(text) for text in found))
            failure = None if addresses else HostNotFoundError
        except UnicodeError:  # a label that IDNA cannot encode exists nowhere
            failure = HostNotFoundError
        except socket.gaierror as error:
            failure = HostNotFoundError if error.errno in _NOT_FOUND else DNSFailureError
        except (TimeoutError, OSError, ValueError):
            failure = DNSFailureError
        ttl = self._options.negative_ttl_s if failure else self._options.ttl_s
        answer = _Answer(asyncio.get_running_loop().time() + ttl, addresses, failure)
        self._remember(name, answer)
        return answer

    def _remember(self, name: str, answer: _Answer) -> None:
        self._answers.pop(name, None)
        while len(self._answers) >= self._options.max_names:
            del self._answers[next(iter(self._answers))]
        self._answers[name] = answer

    async def _system_lookup(self, name: str) -> list[str]:
        if self._threads is None:
            # Not the loop's default executor: names that hang would starve everything else run there.
            self._threads = ThreadPoolExecutor(self._options.max_lookups, thread_name_prefix="resolve")
        return await asyncio.get_running_loop().run_in_executor(self._threads, _getaddrinfo, name)


_FAILURE_TEXT: dict[type[ScrapeError], str] = {
    HostNotFoundError: "does not exist",
    DNSFailureError: "could not be resolved",
}


def _getaddrinfo(name: str) -> list[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(entry[4][0]) for entry in found]
