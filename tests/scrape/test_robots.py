from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.errors import (
    ConnectionRefusedByHostError,
    HostNotFoundError,
    RateLimitedError,
    RedirectError,
    RobotsUnavailableError,
)
from mediascrape.scrape.robots import (
    MAX_ROBOTS_BYTES,
    MAX_WILDCARDS,
    Robots,
    RobotsAnswer,
    RobotsOptions,
    RobotsPending,
    RobotsRules,
    robots_text,
)

ORIGIN = "https://example.org"


def rules(text: str) -> RobotsRules:
    return RobotsRules(robots_text(RobotsAnswer(200, text.encode())))


def allowed(text: str, path: str) -> bool:
    return rules(text).allows(ORIGIN + path)


# --- rules -----------------------------------------------------------------------------------


def test_our_own_group_beats_the_one_for_everybody() -> None:
    text = "User-agent: *\nDisallow: /\n\nUser-Agent: MediaScrape\nDisallow: /private\n"
    assert allowed(text, "/page")
    assert not allowed(text, "/private/page")


@pytest.mark.parametrize("name", ["mediascrape/1.0", "MEDIASCRAPE", "mediascrape # ours", "mediascrape bot"])
def test_our_group_is_known_by_its_token_alone(name: str) -> None:
    assert not allowed(f"User-agent: *\nAllow: /\n\nUser-agent: {name}\nDisallow: /x", "/x")


@pytest.mark.parametrize("name", ["media", "m", "mediascraper", "mediascrape-images", "scrape"])
def test_groups_of_others_are_not_ours(name: str) -> None:
    assert allowed(f"User-agent: {name}\nDisallow: /", "/x")
    assert not allowed(f"User-agent: {name}\nAllow: /\n\nUser-agent: *\nDisallow: /", "/x")


def test_several_groups_of_ours_are_one() -> None:
    text = "User-agent: mediascrape/1\nDisallow: /a\n\nUser-agent: mediascrape\nDisallow: /b"
    assert not allowed(text, "/a")
    assert not allowed(text, "/b")


@pytest.mark.parametrize(
    ("text", "path", "verdict"),
    [
        ("Disallow: /a\nAllow: /a/b", "/a/b/c", True),  # the longest match wins
        ("Allow: /a\nDisallow: /a", "/a", True),  # equal: the lesser restriction
        ("Disallow: /*.gif$", "/x/y.gif", False),
        ("Disallow: /*.gif$", "/x/y.gif?z", True),
        ("Disallow: /caf%C3%A9", "/caf\N{LATIN SMALL LETTER E WITH ACUTE}", False),
        ("Disallow:", "/x", True),
        ("Disallow: /x#comment", "/x", False),
        ("Disallow: /", "/robots.txt", True),
    ],
)
def test_matching_is_that_of_rfc_9309(text: str, path: str, verdict: bool) -> None:
    assert allowed(f"User-agent: *\n{text}", path) is verdict


def test_byte_order_mark_and_carriage_returns_do_not_hide_the_first_group() -> None:
    answer = RobotsAnswer(200, b"\xef\xbb\xbfUser-agent: *\rDisallow: /x\r\nCrawl-delay: 2\r")
    found = RobotsRules(robots_text(answer))
    assert not found.allows(f"{ORIGIN}/x")
    assert found.crawl_delay_s == 2


def test_crawl_delay_is_that_of_our_group() -> None:
    assert (
        rules("User-agent: *\nCrawl-delay: 9\n\nUser-agent: mediascrape\nCrawl-delay: 1.5").crawl_delay_s
        == 1.5
    )
    assert rules("User-agent: other\nCrawl-delay: 9").crawl_delay_s is None
    assert rules("User-agent: *\nCrawl-delay: soon").crawl_delay_s is None


# --- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_client_errors_mean_that_there_are_no_rules(status: int) -> None:
    assert robots_text(RobotsAnswer(status, b"User-agent: *\nDisallow: /")) == ""


@pytest.mark.parametrize("status", [500, 502, 503, 599])
def test_server_errors_mean_that_nothing_may_be_fetched(status: int) -> None:
    with pytest.raises(RobotsUnavailableError, match=str(status)):
        robots_text(RobotsAnswer(status))


def test_too_many_requests_means_later() -> None:
    with pytest.raises(RateLimitedError) as caught:
        robots_text(RobotsAnswer(429, retry_after=9))
    assert caught.value.retry_after == 9


def test_reading_stops_at_the_limit_and_before_a_torn_line() -> None:
    head = b"User-agent: *\n"
    filler = b"Disallow: /filler\n"
    body = head + filler * ((MAX_ROBOTS_BYTES - len(head)) // len(filler))
    body += b"Disallow: /" + b"x" * 50 + b"\nDisallow: /never-read\n"
    assert MAX_ROBOTS_BYTES < len(body) < MAX_ROBOTS_BYTES + 100
    found = RobotsRules(robots_text(RobotsAnswer(200, body)))
    assert not found.allows(f"{ORIGIN}/filler")
    assert found.allows(f"{ORIGIN}/other")
    assert found.allows(f"{ORIGIN}/never-read")


def test_more_wildcards_than_could_be_matched_in_time_forbid_everything() -> None:
    lines = (f"Disallow: /*a{number}\n" for number in range(MAX_WILDCARDS))
    assert not allowed("User-agent: *\n" + "".join(lines), "/elsewhere")


@pytest.mark.parametrize(
    "body",
    [b"\n" * MAX_ROBOTS_BYTES, b" " * MAX_ROBOTS_BYTES, b"#" * MAX_ROBOTS_BYTES, b"user-agent:" * 46_000,
     b"\t\n" * (MAX_ROBOTS_BYTES // 2), b"sitemap " * 60_000],
    ids=["newlines", "spaces", "hashes", "agents", "blank lines", "sitemaps"],
)  # fmt: skip
def test_reading_takes_linear_time(body: bytes) -> None:
    # Quadratic time would be hours, and this test would not end.
    assert RobotsRules(robots_text(RobotsAnswer(200, body))).allows(ORIGIN)


@given(st.binary(max_size=500))
def test_any_bytes_are_rules(body: bytes) -> None:
    found = RobotsRules(robots_text(RobotsAnswer(200, body)))
    assert isinstance(found.allows(f"{ORIGIN}/some/path"), bool)
    delay = found.crawl_delay_s
    assert delay is None or delay >= 0


# --- one fetch for all -----------------------------------------------------------------------


class MemoryCache:
    """What workers share; the same object is given to several `Robots`."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.ttl_ms: dict[str, int] = {}
        self.claims: set[str] = set()

    async def get(self, key: str) -> str | None:
        return self.values.get(key)

    async def put(self, key: str, value: str, ttl_ms: int) -> None:
        self.values[key] = value
        self.ttl_ms[key] = ttl_ms

    async def claim(self, key: str, ttl_ms: int) -> bool:
        if key in self.claims:
            return False
        self.claims.add(key)
        return True


class Host:
    """Answers requests for robots.txt when told to."""

    def __init__(self, answer: RobotsAnswer | Callable[[], RobotsAnswer]) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._answer = answer

    async def __call__(self, url: str) -> RobotsAnswer:
        self.asked.append(url)
        await self.may_answer.wait()
        return self._answer if isinstance(self._answer, RobotsAnswer) else self._answer()


FORBIDDING = RobotsAnswer(200, b"User-agent: *\nDisallow: /no\nCrawl-delay: 3")


def failing(error: Exception) -> Callable[[], RobotsAnswer]:
    def answer() -> RobotsAnswer:
        raise error

    return answer


async def test_a_host_is_asked_once_by_all_workers() -> None:
    host, cache = Host(FORBIDDING), MemoryCache()
    options = RobotsOptions(poll_s=0.001)
    workers = [Robots(host, cache, options) for _ in range(4)]
    found = await asyncio.gather(*(worker.rules(ORIGIN) for worker in workers for _ in range(8)))
    assert host.asked == [f"{ORIGIN}/robots.txt"]
    for each in found:
        assert isinstance(each, RobotsRules)
        assert not each.allows(f"{ORIGIN}/no")
        assert each.crawl_delay_s == 3
    assert cache.ttl_ms[ORIGIN] <= 24 * 3600 * 1000


async def test_known_rules_cost_no_await() -> None:
    robots = Robots(Host(FORBIDDING), MemoryCache())
    assert robots.known(ORIGIN) is None
    await robots.rules(ORIGIN)
    assert robots.known(ORIGIN) is await robots.rules(ORIGIN)


async def test_a_slow_robots_txt_holds_few_jobs() -> None:
    host = Host(FORBIDDING)
    host.may_answer.clear()
    robots = Robots(host, MemoryCache(), RobotsOptions(max_waiting=3))
    waiting = [asyncio.create_task(robots.rules(ORIGIN)) for _ in range(3)]
    await asyncio.sleep(0)
    turned_away = [await robots.rules(ORIGIN) for _ in range(100)]
    delays = [each.delay_ms for each in turned_away if isinstance(each, RobotsPending)]
    assert len(delays) == 100
    assert delays == sorted(set(delays)), "they come back one after the other"
    host.may_answer.set()
    assert all(isinstance(each, RobotsRules) for each in await asyncio.gather(*waiting))
    assert len(host.asked) == 1


async def test_cancelling_one_job_leaves_the_fetch_to_the_others() -> None:
    host = Host(FORBIDDING)
    host.may_answer.clear()
    robots = Robots(host, MemoryCache())
    first, second = (asyncio.create_task(robots.rules(ORIGIN)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    host.may_answer.set()
    assert isinstance(await second, RobotsRules)
    assert len(host.asked) == 1


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedByHostError("nothing listens"), HostNotFoundError("no such host")],
    ids=repr,
)
async def test_an_unreachable_host_is_named_as_such_to_every_job(error: Exception) -> None:
    host, cache = Host(failing(error)), MemoryCache()
    for worker in (Robots(host, cache), Robots(host, cache)):
        for _ in range(3):
            with pytest.raises(type(error), match=str(error)):
                await worker.rules(ORIGIN)
    assert len(host.asked) == 1


async def test_a_failure_is_kept_for_as_long_as_the_host_asks() -> None:
    cache = MemoryCache()
    robots = Robots(Host(RobotsAnswer(429, retry_after=120)), cache)
    with pytest.raises(RateLimitedError) as caught:
        await robots.rules(ORIGIN)
    assert caught.value.retry_after == 120
    assert cache.ttl_ms[ORIGIN] == 120_000


async def test_a_failure_is_asked_again_when_it_has_expired() -> None:
    host = Host(RobotsAnswer(503))
    robots = Robots(host, MemoryCache(), RobotsOptions(keep_failure_s=0))
    with pytest.raises(RobotsUnavailableError):
        await robots.rules(ORIGIN)
    assert robots.known(ORIGIN) is None


async def test_endless_redirects_mean_no_rules() -> None:
    robots = Robots(Host(failing(RedirectError("too many"))), MemoryCache())
    found = await robots.rules(ORIGIN)
    assert isinstance(found, RobotsRules)
    assert found.allows(f"{ORIGIN}/x")


async def test_a_worker_that_died_while_asking_does_not_stop_the_others() -> None:
    host, cache = Host(FORBIDDING), MemoryCache()
    await cache.claim(f"{ORIGIN}#claim", 1000)  # by a worker that is no more
    robots = Robots(host, cache, RobotsOptions(claim_s=0.01, poll_s=0.001))
    assert isinstance(await robots.rules(ORIGIN), RobotsRules)
    assert len(host.asked) == 1


async def test_memory_of_rules_is_bounded() -> None:
    host = Host(RobotsAnswer(200, b"User-agent: *\n" + b"Disallow: /some/path\n" * 50))
    robots = Robots(host, MemoryCache(), RobotsOptions(local_bytes=5000))
    origins = [f"https://h{number}.example" for number in range(10)]
    for origin in origins:
        await robots.rules(origin)
    known = [origin for origin in origins if robots.known(origin) is not None]
    assert known == origins[-len(known) :]
    assert 1 <= len(known) < 5


async def test_large_rules_survive_the_shared_cache() -> None:
    body = b"User-agent: *\n" + b"".join(b"Disallow: /p%d\n" % number for number in range(5000))
    host, cache = Host(RobotsAnswer(200, body)), MemoryCache()
    for worker in (Robots(host, cache), Robots(host, cache)):
        found = await worker.rules(ORIGIN)
        assert isinstance(found, RobotsRules)
        assert not found.allows(f"{ORIGIN}/p4999")
        assert found.allows(f"{ORIGIN}/q")
    assert len(host.asked) == 1
    assert len(cache.values[ORIGIN]) < len(body) / 2


async def test_close_ends_the_fetches_under_way() -> None:
    host = Host(FORBIDDING)
    host.may_answer.clear()
    robots = Robots(host, MemoryCache())
    waiting = asyncio.create_task(robots.rules(ORIGIN))
    await asyncio.sleep(0)
    await robots.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
