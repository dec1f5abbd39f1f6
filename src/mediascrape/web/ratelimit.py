"""Requests per second of one client, by the token bucket. Pure: the caller tells the time."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from ipaddress import ip_address


class RateLimiter:
    """One bucket per client, the most recently seen `capacity` of them.

    rate: requests a second; 0 sets no limit. burst: requests that a rested client may send at once.
    """

    def __init__(self, rate: float, burst: float, capacity: int = 10_000) -> None:
        self._rate = rate
        self._burst = burst
        self._capacity = capacity
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str, now: float) -> float:
        """Take one token. 0 when there was one, else the seconds until there is."""
        if not self._rate:
            return 0.0
        level, then = self._buckets.pop(client, (self._burst, now))
        level = min(self._burst, level + (now - then) * self._rate)
        wait = 0.0 if level >= 1 else (1 - level) / self._rate
        self._buckets[client] = (level if wait else level - 1, now)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        return wait


def client_key(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 network that one IPv6 site holds."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if ip.version == 6:
        mapped = ip.ipv4_mapped
        return str(mapped) if mapped else f"{ip.exploded[:19]}/64"
    return str(ip)


@lru_cache(maxsize=1024)
def is_loopback(address: str) -> bool:
    """True for 127.0.0.0/8, ::1, `localhost`, and peers without an address (Unix sockets)."""
    if address in ("localhost", ""):
        return True
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if ip.version == 6 else None
    return (mapped or ip).is_loopback
