"""What the operator may say about fetching."""

from __future__ import annotations

from dataclasses import dataclass, field

from mediascrape.scrape.decoding import DecodingLimits
from mediascrape.scrape.limits import BodyLimits, Pace
from mediascrape.scrape.resolver import ResolverOptions


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Times in seconds, sizes in bytes.

    connect_timeout_s: for a host's only or last address; each one before it gets next_address_after_s.
    http2: spoken where the host offers it: fewer connections to one host, but 0.2 ms more per page and
    45 KB more per connection than HTTP/1.1 (docs/http-client.md). ca_file: PEM bundle to trust instead of
    certifi's. receive_buffer_bytes: the kernel's buffer of each connection until its first body is
    admitted by the budget, so that what paused transfers have already been sent stays small. Not smaller:
    a sender never makes its packets larger than half of the window that a connection began with.
    open_receive_buffer_bytes: after that. read_bytes: what libcurl reads at once at most, and keeps for as long
    as the transfer is paused. paused_bytes: what it may keep of as many transfers as there are requests on their
    way when one begins; the more there are, the less each one reads.
    """

    user_agent: str = "mediascrape"
    accept: str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    accept_language: str = "en,*;q=0.5"
    limits: BodyLimits = field(default_factory=BodyLimits)
    decoding: DecodingLimits = field(default_factory=DecodingLimits)
    pace: Pace = field(default_factory=Pace)
    resolver: ResolverOptions = field(default_factory=ResolverOptions)
    body_budget_bytes: int = 64 * 1024 * 1024
    max_url_length: int = 8192
    max_redirects: int = 10
    max_addresses: int = 3
    connect_timeout_s: float = 5.0
    next_address_after_s: float = 1.5
    http2: bool = False
    verify_tls: bool = True
    ca_file: str | None = None
    max_idle_connections: int = 256
    receive_buffer_bytes: int = 16 * 1024
    open_receive_buffer_bytes: int = 256 * 1024
    read_bytes: int = 256 * 1024
    paused_bytes: int = 8 * 1024 * 1024
