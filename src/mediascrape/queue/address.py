"""What a queue's URL names: one server, the master of some sentinels, or a cluster.

    redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]      one server; rediss:// over TLS
    unix:///PATH[?db=DATABASE]                          one server, by its socket
    redis+sentinel://[LOGIN@]HOST[:PORT],…/NAME[/DATABASE]
    redis+cluster://[LOGIN@]HOST[:PORT],…?key={PREFIX}  the node that owns the slot of that key

valkey:// and valkeys:// are the same protocol by another name. Options follow as a query: those of
redis-py (`ssl_ca_certs=FILE`, `ssl_certfile`, `ssl_keyfile`, `ssl_check_hostname`), and
`sentinel_username` and `sentinel_password` where the sentinels want a login of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis.asyncio.connection import ConnectionPool, SSLConnection, parse_url

from mediascrape.queue.topology import Address, SentinelMaster, SlotOwner, fixed_pool, located_pool

SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}
_SENTINEL_PORT, _SERVER_PORT = 26379, 6379


def is_cluster(url: str) -> bool:
    """Whether the URL names a cluster."""
    return url.partition("://")[0].lower().endswith("+cluster")


def pool_of(url: str, connection: Mapping[str, Any], pool: Mapping[str, Any]) -> ConnectionPool:
    """The connections that a URL stands for; none is made yet.

    connection: options of every connection, also those that only ask for the server's address.
    Raises ValueError or TypeError for a URL that names no server.
    """
    scheme, separator, rest = url.partition("://")
    protocol, _, topology = scheme.lower().partition("+")
    known = SCHEMES.get(protocol)
    if not separator or known is None or topology not in {"", "sentinel", "cluster"}:
        raise ValueError(f"it must begin with {', '.join(f'{name}://' for name in SCHEMES)}, or with redis+sentinel"
                         ":// or redis+cluster://")  # fmt: skip
    if not topology:
        return fixed_pool({**connection, **pool, **parse_url(f"{known}://{rest}")})
    parts = urlsplit(f"{known}://{rest}")
    login, _, hosts = parts.netloc.rpartition("@")
    addresses = [_address(host, _SENTINEL_PORT if topology == "sentinel" else _SERVER_PORT)
                 for host in hosts.split(",") if host]  # fmt: skip
    if not addresses:
        raise ValueError("it names no host")
    query = dict(parse_qsl(parts.query))
    path = unquote(parts.path).strip("/").split("/")
    special = {name: query.pop(name, None) for name in ("key", "sentinel_username", "sentinel_password")}
    if topology == "cluster":
        server = {**_options(known, login, query), **connection}
        owner = SlotOwner(addresses, special["key"] or "", _for_client(server))
        return located_pool(owner, {**server, **pool})
    if not path[0]:
        raise ValueError("it names no master: redis+sentinel://HOST:PORT,HOST:PORT/NAME")
    server = {**_options(known, login, query), **connection, "db": int(path[1]) if len(path) > 1 else 0}
    asked = {
        **_for_client({**_options(known, "", query), **connection}),
        "username": special["sentinel_username"], "password": special["sentinel_password"],
    }  # fmt: skip
    return located_pool(SentinelMaster(addresses, path[0], asked), {**server, **pool})


def _address(text: str, default_port: int) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(f"{text!r} is no host")
    return parts.hostname, parts.port or default_port


def _options(scheme: str, login: str, query: Mapping[str, str]) -> dict[str, Any]:
    """What redis-py makes of the URL, without the place."""
    at = "@" if login else ""
    options = dict(parse_url(f"{scheme}://{login}{at}host/?{urlencode(query)}"))
    del options["host"]
    return options


def _for_client(options: Mapping[str, Any]) -> dict[str, Any]:
    """A pool's options as a client by itself takes them."""
    kept = {name: value for name, value in options.items() if name != "connection_class"}
    return kept | {"ssl": issubclass(options.get("connection_class", object), SSLConnection)}
