from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.errors import (
    AttemptTimeoutError,
    ConnectionRefusedByHostError,
    ForbiddenAddressError,
    HostNotFoundError,
    NotFoundError,
    RateLimitedError,
    ServerStatusError,
    StoreUnavailableError,
    TLSError,
    TooSlowError,
    UnsupportedContentError,
)
from mediascrape.scrape.politeness import (
    MAX_PAUSE_S,
    Effect,
    HostPolicy,
    HostReport,
    gives_up,
    host_limits,
    origin_of,
    report_on,
    share_of_slots,
)


def test_without_crawl_delay_the_operators_numbers_hold() -> None:
    limits = host_limits(HostPolicy(concurrent=3, delay_s=0.25), 100)
    assert (limits.concurrent, limits.gap_ms) == (3, 250)


def test_crawl_delay_means_one_request_after_the_other() -> None:
    limits = host_limits(HostPolicy(), 100, crawl_delay_s=1.5)
    assert (limits.concurrent, limits.gap_ms) == (1, 1500)


def test_crawl_delay_of_zero_asks_for_nothing() -> None:
    assert host_limits(HostPolicy(), 100, 0) == host_limits(HostPolicy(), 100)


@given(
    concurrent=st.integers(1, 100),
    delay=st.floats(0, 10_000),
    crawl_delay=st.none() | st.floats(0, 1e9),
    in_flight=st.integers(1, 5000),
)
def test_a_hosts_wish_never_makes_us_faster(
    concurrent: int, delay: float, crawl_delay: float | None, in_flight: int
) -> None:
    policy = HostPolicy(concurrent=concurrent, delay_s=delay)
    own, both = host_limits(policy, in_flight), host_limits(policy, in_flight, crawl_delay)
    assert both.concurrent <= own.concurrent
    assert both.gap_ms >= own.gap_ms
    assert both.gap_ms <= max(own.gap_ms, policy.max_crawl_delay_s * 1000)


@given(concurrent=st.integers(1, 100), in_flight=st.integers(2, 5000))
def test_one_host_never_gets_every_slot(concurrent: int, in_flight: int) -> None:
    share = share_of_slots(HostPolicy(concurrent=concurrent), in_flight)
    assert 1 <= share <= concurrent
    assert share < in_flight


@pytest.mark.parametrize(
    ("error", "report"),
    [
        (None, HostReport(Effect.OK)),
        (NotFoundError(), HostReport(Effect.OK)),
        (UnsupportedContentError(), HostReport(Effect.OK)),
        (RateLimitedError(retry_after=2.5), HostReport(Effect.REFUSED, 2500)),
        (RateLimitedError(), HostReport(Effect.REFUSED)),
        (RateLimitedError(retry_after=-5), HostReport(Effect.REFUSED)),
        (RateLimitedError(retry_after=1e9), HostReport(Effect.REFUSED, int(MAX_PAUSE_S * 1000))),
        (ServerStatusError(), HostReport(Effect.FAILED)),
        (ServerStatusError(retry_after=7), HostReport(Effect.FAILED, 7000)),
        (AttemptTimeoutError(), HostReport(Effect.FAILED)),
        (TooSlowError(), HostReport(Effect.FAILED)),
        (ConnectionRefusedByHostError(), HostReport(Effect.FAILED)),
        (HostNotFoundError(), HostReport(Effect.NONE)),
        (ForbiddenAddressError(), HostReport(Effect.NONE)),
        (TLSError(), HostReport(Effect.NONE)),
        (StoreUnavailableError(), HostReport(Effect.NONE)),
        (ValueError(), HostReport(Effect.NONE)),
        (asyncio.CancelledError(), HostReport(Effect.NONE)),
    ],
    ids=repr,
)
def test_what_an_attempts_end_says_of_the_host(error: BaseException | None, report: HostReport) -> None:
    assert report_on(error) == report


def test_a_host_is_given_up_after_so_many_rests() -> None:
    policy = HostPolicy(give_up_after_rests=3)
    assert [gives_up(policy, rests) for rests in range(5)] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://example.org/", "https://example.org"),
        ("https://example.org/a//b?c=http://x/", "https://example.org"),
        ("http://example.org:8080/a", "http://example.org:8080"),
        ("http://[2001:db8::1]:81/", "http://[2001:db8::1]:81"),
    ],
)
def test_origin(url: str, origin: str) -> None:
    assert origin_of(url) == origin
