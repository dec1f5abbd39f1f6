"""Which addresses may be contacted: public ones, and the networks the operator names.

Pure: no name is resolved here. The table is our own, entry by entry from the IANA special-purpose
address registries (IPv4 and IPv6, RFC 6890 and RFC 8190) and the multicast registries, because
`ipaddress.is_global` differs between Python releases and knows nothing of the addresses that carry
another address inside (IPv4-mapped, NAT64, 6to4, Teredo, ISATAP).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from mediascrape.errors import ForbiddenAddressError

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

#: Network → why it is refused. A more specific entry is listed before the one that contains it.
_FORBIDDEN_V4: Final[tuple[tuple[str, str], ...]] = (
    ("0.0.0.0/8", "this network, RFC 791"),
    ("10.0.0.0/8", "private use, RFC 1918"),
    ("100.64.0.0/10", "shared address space, RFC 6598"),
    ("127.0.0.0/8", "loopback, RFC 1122"),
    ("168.63.129.16/32", "Azure platform and metadata service"),
    ("169.254.169.254/32", "cloud metadata service in link-local, RFC 3927"),
    ("169.254.0.0/16", "link-local, RFC 3927"),
    ("172.16.0.0/12", "private use, RFC 1918"),
    ("192.0.0.0/24", "IETF protocol assignments, RFC 6890"),
    ("192.0.2.0/24", "documentation, RFC 5737"),
    ("192.31.196.0/24", "AS112, RFC 7535"),
    ("192.52.193.0/24", "AMT, RFC 7450"),
    ("192.88.99.0/24", "6to4 relay anycast, RFC 7526"),
    ("192.168.0.0/16", "private use, RFC 1918"),
    ("192.175.48.0/24", "AS112, RFC 7534"),
    ("198.18.0.0/15", "benchmarking, RFC 2544"),
    ("198.51.100.0/24", "documentation, RFC 5737"),
    ("203.0.113.0/24", "documentation, RFC 5737"),
    ("224.0.0.0/4", "multicast, RFC 5771"),
    ("255.255.255.255/32", "limited broadcast, RFC 8190"),
    ("240.0.0.0/4", "reserved, RFC 1112"),
)

#: IPv6 is turned round: only 2000::/3 is handed out as global unicast (RFC 4291), so all else is
#: refused; the first entries only give the better-known refusals their name.
_FORBIDDEN_V6: Final[tuple[tuple[str, str], ...]] = (
    ("::1/128", "loopback, RFC 4291"),
    ("::/128", "unspecified, RFC 4291"),
    ("64:ff9b:1::/48", "local-use NAT64, RFC 8215"),
    ("100::/64", "discard-only, RFC 6666"),
    ("100:0:0:1::/64", "dummy prefix, RFC 9780"),
    ("2001:2::/48", "benchmarking, RFC 5180"),
    ("2001:db8::/32", "documentation, RFC 3849"),
    ("2001:10::/28", "ORCHID, RFC 4843"),
    ("2001:20::/28", "ORCHIDv2, RFC 7343"),
    ("2001:30::/28", "drone remote ID, RFC 9374"),
    ("2001::/32", "Teredo, RFC 4380"),
    ("2001::/23", "IETF protocol assignments, RFC 2928"),
    ("2002::/16", "6to4, retired by RFC 7526"),
    ("2620:4f:8000::/48", "AS112, RFC 7534"),
    ("3fff::/20", "documentation, RFC 9637"),
    ("5f00::/16", "segment routing identifiers, RFC 9602"),
    ("fc00::/7", "unique local, RFC 4193"),
    ("fe80::/10", "link-local, RFC 4291"),
    ("fec0::/10", "site-local, RFC 3879"),
    ("ff00::/8", "multicast, RFC 4291"),
    ("::/3", "not global unicast, RFC 4291"),
    ("4000::/2", "not global unicast, RFC 4291"),
    ("8000::/1", "not global unicast, RFC 4291"),
)

_MAPPED: Final = IPv6Network("::ffff:0:0/96")  # RFC 4291, IPv4-mapped
_TRANSLATED: Final = IPv6Network("::ffff:0:0:0/96")  # RFC 2765, SIIT
_COMPATIBLE: Final = IPv6Network("::/96")  # RFC 4291, IPv4-compatible
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052
_EMBEDDING: Final = (_MAPPED, _TRANSLATED, _COMPATIBLE, _NAT64)
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")  # RFC 3056
_TEREDO: Final = IPv6Network("2001::/32")  # RFC 4380

#: Names that mean this machine or its cloud's metadata service, whatever a resolver says
#: (RFC 6761 for `localhost`).
_FORBIDDEN_NAMES: Final = frozenset(
    {"localhost", "localhost.localdomain", "metadata", "metadata.google.internal"}
)

_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)\Z")


def host_of(url: str) -> str:
    """The host of a normalised URL; an IPv6 address in its brackets."""
    host = url.split("/", 3)[2].rpartition("@")[2]
    return host[: host.index("]") + 1] if host.startswith("[") else host.partition(":")[0]


@lru_cache(maxsize=4096)
def parse_host(host: str) -> IPAddress | None:
    """The address a host is written as, or None when it is a name.

    Understands what a URL parser or a C library would: brackets, a trailing dot, and the `inet_aton`
    forms of IPv4 (decimal, octal, hexadecimal; one to four parts).

    Raises ForbiddenAddressError for an IPv6 zone id (RFC 6874: it only means anything on this machine)
    and for a number that no address has.
    """
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if "%" in host:
        raise ForbiddenAddressError(f"{host!r} carries a zone id")
    if ":" in host:
        try:
            return IPv6Address(host)
        except ValueError:
            raise ForbiddenAddressError(f"{host!r} is not an address") from None
    parts = host.removesuffix(".").split(".")
    if not parts[-1] or not _NUMBER.match(parts[-1]):
        return None  # the WHATWG "ends in a number" rule: anything else is a name
    return _parse_inet_aton(host, parts)


def _parse_inet_aton(host: str, parts: list[str]) -> IPv4Address:
    if len(parts) > 4 or not all(_NUMBER.match(part) for part in parts):
        raise ForbiddenAddressError(f"{host!r} is not an address")
    try:
        numbers = [_parse_number(part) for part in parts]
    except ValueError:
        raise ForbiddenAddressError(f"{host!r} is not an address") from None
    *heads, last = numbers
    if any(number > 255 for number in heads) or last >= 256 ** (5 - len(numbers)):
        raise ForbiddenAddressError(f"{host!r} is not an address")
    value = last
    for position, number in enumerate(heads):
        value += number << (8 * (3 - position))
    return IPv4Address(value)


def _parse_number(text: str) -> int:
    if text[:2] in ("0x", "0X"):
        return int(text[2:] or "0", 16)
    return int(text, 8) if len(text) > 1 and text[0] == "0" else int(text)


def carried_addresses(address: IPAddress) -> list[IPv4Address]:
    """The IPv4 addresses that packets to this IPv6 address may end up at."""
    if isinstance(address, IPv4Address):
        return []
    value = int(address)
    carried: list[int] = []
    if any(address in network for network in _EMBEDDING) and value > 1:
        carried.append(value & 0xFFFFFFFF)
    elif address in _SIX_TO_FOUR:
        carried.append((value >> 80) & 0xFFFFFFFF)
    elif address in _TEREDO:
        carried += [(value >> 64) & 0xFFFFFFFF, ~value & 0xFFFFFFFF]
    if (value >> 32) & 0xFDFFFFFF == 0x00005EFE:  # RFC 5214, ISATAP
        carried.append(value & 0xFFFFFFFF)
    return [IPv4Address(number) for number in carried]


def _compile(table: Iterable[tuple[str, str]]) -> list[tuple[int, int, str]]:
    networks = [(ipaddress.ip_network(network), why) for network, why in table]
    return [(int(net.network_address), int(net.broadcast_address), why) for net, why in networks]


_V4: Final = _compile(_FORBIDDEN_V4)
_V6: Final = _compile(_FORBIDDEN_V6)


class AddressGuard:
    """Says of one address whether a scrape may contact it.

    allow_networks: networks contacted besides the public ones, in CIDR form ("127.0.0.0/8"). An
    IPv6 address that carries a forbidden IPv4 address is allowed only when its own network is named,
    or when it is the IPv4-mapped form of an allowed IPv4 address.

    Raises ValueError for a network that cannot be read.
    """

    def __init__(self, allow_networks: Iterable[str | IPv4Network | IPv6Network] = ()) -> None:
        self._allowed: list[IPNetwork] = [ipaddress.ip_network(network) for network in allow_networks]

    def check(self, address: IPAddress) -> None:
        """Raises ForbiddenAddressError, naming the range, unless the address may be contacted."""
        why = self.refusal(address)
        if why is not None:
            raise ForbiddenAddressError(f"{address} is not public ({why})")

    def check_name(self, name: str) -> None:
        """Refuses the names that mean this machine, unless loopback is allowed.

        Raises ForbiddenAddressError. Every other name is judged by the addresses it resolves to.
        """
        bare = name.lower().rstrip(".")
        if (bare in _FORBIDDEN_NAMES or bare.endswith(".localhost")) and not self._allows_loopback():
            raise ForbiddenAddressError(f"{name!r} names this machine or its metadata service")

    def refusal(self, address: IPAddress) -> str | None:
        """Why the address may not be contacted, or None when it may."""
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return "zone id, RFC 4007"
        if self._allows(address):
            return None
        if isinstance(address, IPv4Address):
            return _lookup(_V4, int(address))
        return self._refusal_v6(address)

    def _refusal_v6(self, address: IPv6Address) -> str | None:
        if address in _MAPPED:  # the kernel sends these packets over IPv4
            return self.refusal(carried_addresses(address)[0])
        for inner in carried_addresses(address):
            why = _lookup(_V4, int(inner))
            if why is not None:
                return f"carries {inner}, {why}"
        if address in _NAT64:
            return None  # RFC 6052: a public IPv4 address, seen from an IPv6-only network
        return _lookup(_V6, int(address))

    def _allows(self, address: IPAddress) -> bool:
        return any(address in network for network in self._allowed)

    def _allows_loopback(self) -> bool:
        return self._allows(IPv4Address("127.0.0.1")) or self._allows(IPv6Address("::1"))


def _lookup(table: list[tuple[int, int, str]], value: int) -> str | None:
    for first, last, why in table:
        if first <= value <= last:
            return why
    return None
