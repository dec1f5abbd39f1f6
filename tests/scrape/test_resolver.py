from __future__ import annotations

import asyncio
import socket

import pytest

from mediascrape.errors import DNSFailureError, HostNotFoundError
from mediascrape.scrape.resolver import Resolver, ResolverOptions


class Names:
    """A name server of the test's own; counts what it is asked."""

    def __init__(self, **names: list[str] | Exception) -> None:
        self.names = names
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, name: str) -> list[str]:
        self.asked.append(name)
        await self.gate.wait()
        answer = self.names[name.partition(".")[0]]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def resolve(resolver: Resolver, name: str) -> list[str]:
    return [str(address) for address in await resolver.resolve(name)]


async def test_answers_are_kept_in_order_and_without_doubles() -> None:
    names = Names(a=["2001:db8::1", "192.0.2.1", "2001:db8::1"])
    resolver = Resolver(lookup=names)
    assert await resolve(resolver, "a.example") == ["2001:db8::1", "192.0.2.1"]
    assert await resolve(resolver, "A.EXAMPLE") == ["2001:db8::1", "192.0.2.1"]
    assert names.asked == ["a.example"]


async def test_answers_expire() -> None:
    names = Names(a=["192.0.2.1"])
    resolver = Resolver(ResolverOptions(ttl_s=0), names)
    for _ in range(2):
        await resolver.resolve("a.example")
    assert len(names.asked) == 2


async def test_one_lookup_serves_all_who_wait_even_if_the_first_gives_up() -> None:
    names = Names(a=["192.0.2.1"])
    names.gate.clear()
    resolver = Resolver(lookup=names)
    waiting = [asyncio.create_task(resolve(resolver, "a.example")) for _ in range(100)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    names.gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [["192.0.2.1"]] * 99
    assert len(names.asked) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), HostNotFoundError),
        (socket.gaierror(socket.EAI_AGAIN, "x"), DNSFailureError),
        (socket.gaierror(socket.EAI_FAIL, "x"), DNSFailureError),
        (UnicodeError("label too long"), HostNotFoundError),
        (OSError("no network"), DNSFailureError),
        ([], HostNotFoundError),
        (["what?"], DNSFailureError),
    ],
)
async def test_failures_are_named_and_remembered_for_a_while(
    answer: list[str] | Exception, error: type[Exception]
) -> None:
    names = Names(a=answer)
    resolver = Resolver(lookup=names)
    for _ in range(3):
        with pytest.raises(error):
            await resolver.resolve("a.example")
    assert len(names.asked) == 1


async def test_a_server_that_does_not_answer() -> None:
    names = Names(a=["192.0.2.1"])
    names.gate.clear()
    resolver = Resolver(ResolverOptions(timeout_s=0.05, negative_ttl_s=0), names)
    with pytest.raises(DNSFailureError):
        await resolver.resolve("a.example")
    names.gate.set()
    assert await resolve(resolver, "a.example") == ["192.0.2.1"]


async def test_waiting_for_a_turn_is_not_the_name_servers_fault() -> None:
    names = Names(**{f"n{i}": ["192.0.2.1"] for i in range(50)})

    async def slow(name: str) -> list[str]:
        await asyncio.sleep(0.01)
        return await names(name)

    resolver = Resolver(ResolverOptions(max_lookups=1, timeout_s=0.4), slow)
    found = await asyncio.gather(*[resolve(resolver, f"n{i}.example") for i in range(50)])
    assert found == [["192.0.2.1"]] * 50


async def test_an_address_that_failed_is_tried_last() -> None:
    resolver = Resolver(lookup=Names(a=["192.0.2.1", "192.0.2.2", "192.0.2.3"]))
    first, *_ = await resolver.resolve("a.example")
    resolver.demote("A.example", first)
    resolver.demote("unknown.example", first)
    assert await resolve(resolver, "a.example") == ["192.0.2.2", "192.0.2.3", "192.0.2.1"]


async def test_the_number_of_names_kept_is_bounded() -> None:
    names = Names(**{f"n{i}": ["192.0.2.1"] for i in range(20)})
    resolver = Resolver(ResolverOptions(max_names=10), names)
    for i in range(20):
        await resolver.resolve(f"n{i}.example")
    await resolver.resolve("n19.example")
    assert len(names.asked) == 20
    await resolver.resolve("n0.example")  # the oldest was forgotten
    assert len(names.asked) == 21


async def test_the_system_resolves_localhost() -> None:
    resolver = Resolver()
    assert "127.0.0.1" in await resolve(resolver, "localhost")
    resolver.close()


async def test_closing_ends_pending_lookups() -> None:
    names = Names(a=["192.0.2.1"])
    names.gate.clear()
    resolver = Resolver(lookup=names)
    waiting = asyncio.create_task(resolver.resolve("a.example"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    resolver.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
