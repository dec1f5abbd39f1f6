from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.errors import ForbiddenAddressError, InvalidURLError
from mediascrape.scrape.guard import AddressGuard, carried_addresses, host_of, parse_host
from mediascrape.scrape.urls import normalize_url

PUBLIC_ONLY = AddressGuard()

# The registries as IANA publishes them ("Globally Reachable: False"), and multicast.
SPECIAL = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
255.255.255.255/32
::/128 ::1/128 ::ffff:10.0.0.0/104 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20
5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
"""

PUBLIC = """
1.1.1.1 8.8.8.8 93.184.216.34 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.167.1.1
198.17.255.255 198.20.0.0 223.255.255.255
2606:4700::1111 2a00:1450:4001::200e 2001:4860::8888 ::ffff:8.8.8.8 64:ff9b::808:808
"""

NO_ADDRESS = "256.0.0.1 1.2.3.4.5 08 0xg.1 4294967296 1.2.3.256 a.1 [fe80::1%eth0] [1::2::3] fe80::1%25lo"


@pytest.mark.parametrize("network", SPECIAL.split())
def test_no_special_network_is_public(network: str) -> None:
    found = ipaddress.ip_network(network)
    for address in (found[0], found[-1], found[found.num_addresses // 2]):
        assert PUBLIC_ONLY.refusal(address) is not None, address


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses_pass(address: str) -> None:
    PUBLIC_ONLY.check(ipaddress.ip_address(address))


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_what_python_calls_private_is_refused(address: IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        # Ours are a superset: Python does not know every registry entry, but never less may be refused.
        exempt = [IPv4Network("192.0.0.9/32"), IPv4Network("192.0.0.10/32")]
        assert PUBLIC_ONLY.refusal(address) is not None or any(address in net for net in exempt)


@given(st.ip_addresses(v=6))
def test_the_same_for_ipv6(address: IPv6Address) -> None:
    outside = not address.is_global or address.is_multicast or address.is_site_local
    reachable_inside = address in IPv6Network("::ffff:0:0/96") or address in IPv6Network("64:ff9b::/96")
    if outside and not reachable_inside:
        assert PUBLIC_ONLY.refusal(address) is not None


@given(st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**64 - 1))
def test_an_address_inside_another_is_judged_too(inner: IPv4Address, rest: int) -> None:
    number = int(inner)
    carriers = [
        (0xFFFF << 32) | number,
        (0x64FF9B << 96) | number,
        number,
        (0xFFFF << 48) | number,
        (0x2002 << 112) | (number << 80) | rest,
        (0x20010000 << 96) | (rest << 32) | (number ^ 0xFFFFFFFF),
        (0x2A00145040010000 << 64) | (0x5EFE << 32) | number,
    ]
    if PUBLIC_ONLY.refusal(inner) is None:
        return
    for carrier in map(IPv6Address, carriers):
        if int(carrier) > 1:
            assert inner in carried_addresses(carrier)
        assert PUBLIC_ONLY.refusal(carrier) is not None, carrier


@given(st.ip_addresses(), st.integers(0, 128))
def test_naming_a_network_allows_it_and_nothing_else(address: IPv4Address | IPv6Address, length: int) -> None:
    network = ipaddress.ip_network((address, min(length, address.max_prefixlen)), strict=False)
    guard = AddressGuard([network])
    guard.check(address)
    guard.check(network[0])
    for other in (IPv4Address("10.1.2.3"), IPv6Address("fe80::1"), IPv4Address("169.254.169.254")):
        if other not in network:
            assert guard.refusal(other) is not None


def test_the_mapped_form_of_an_allowed_address_is_allowed() -> None:
    AddressGuard(["10.0.0.0/8"]).check(IPv6Address("::ffff:10.0.0.1"))
    with pytest.raises(ForbiddenAddressError):
        AddressGuard(["10.0.0.0/8"]).check(IPv6Address("64:ff9b::a00:1"))


def test_a_network_that_is_none() -> None:
    with pytest.raises(ValueError, match="banana"):
        AddressGuard(["banana"])


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("0x", "0.0.0.0"),
        ("10.0.258", "10.0.1.2"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
    ],
)
def test_every_way_to_write_an_address(text: str, address: str) -> None:
    assert parse_host(text) == ipaddress.ip_address(address)


@pytest.mark.parametrize("text", NO_ADDRESS.split())
def test_numbers_that_are_no_address_are_refused(text: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        parse_host(text)


@pytest.mark.parametrize("text", ["example.com", "1.example", "example.com.", "0x1.example", "a"])
def test_names(text: str) -> None:
    assert parse_host(text) is None


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "app.localhost", "metadata.google.internal."])
def test_names_of_this_machine(name: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        PUBLIC_ONLY.check_name(name)


def test_localhost_when_loopback_is_allowed() -> None:
    AddressGuard(["127.0.0.0/8"]).check_name("localhost")
    PUBLIC_ONLY.check_name("localhost.example")


@given(st.ip_addresses())
def test_the_guard_never_fails_otherwise(address: IPv4Address | IPv6Address) -> None:
    assert PUBLIC_ONLY.refusal(address) is None or isinstance(PUBLIC_ONLY.refusal(address), str)


def test_zone_ids() -> None:
    assert AddressGuard(["fe80::/10"]).refusal(IPv6Address("fe80::1%eth0")) is not None


@given(
    st.sampled_from(["http", "https", "HTTP"]),
    st.sampled_from(["", "user@", "user:pass@", "a%40b:c@"]),
    st.sampled_from(
        ["example.org", "EXAMPLE.org.", "bücher.example", "127.1", "0x7f.1", "[::1]", "[2001:DB8::1]"]
    ),
    st.sampled_from(["", ":80", ":443", ":8080", ":"]),
    st.text(st.characters(codec="utf-8"), max_size=12)
    | st.sampled_from(["", "/", "?q=@x:1", "#@y", "/a@b:8/c", "\\x@z"]),
)
def test_the_host_of_a_normalised_url_is_the_one_a_parser_finds(
    scheme: str, login: str, host: str, port: str, rest: str
) -> None:
    try:
        url = normalize_url(f"{scheme}://{login}{host}{port}{rest}")
    except InvalidURLError:
        return
    assert host_of(url).strip("[]") == urlsplit(url).hostname
