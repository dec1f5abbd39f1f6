"""The ways to a server: TLS, users, database numbers, sockets; and servers that do not do."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from command_line import CommandLine
from engines.servers import Engine, Server, free_ports, running
from mediascrape.errors import ConfigurationError, QueueUnavailableError
from mediascrape.queue.connection import check_server, connect
from mediascrape.queue.queue import Queue
from mediascrape.settings import Settings


async def added(url: str) -> str:
    """Adds a job by this URL and gives its state as read by it."""
    client = connect(url)
    await check_server(client, url)
    queue = Queue(client, "reach")
    job = await queue.add("scrape-page", {"n": 1})
    state = await queue.job_state(job.id)
    await queue.aclose()
    await client.aclose()
    assert state is not None
    return state


async def refused(url: str) -> str:
    client = connect(url)
    try:
        with pytest.raises((ConfigurationError, QueueUnavailableError)) as caught:
            await check_server(client, url)
    finally:
        await client.aclose()
    return str(caught.value)


async def test_a_user_with_rights_on_the_queue_alone(valkey: Server) -> None:
    await valkey.ask(
        "ACL", "SETUSER", "scraper", "on", ">pass word", "resetchannels", "~bull:*", "&bull:*",
        "+@all", "-@dangerous", "+info", "+client",
    )  # fmt: skip
    await valkey.ask("ACL", "SETUSER", "default", "off")
    assert await added(valkey.url.replace("//", "//scraper:pass%20word@")) == "waiting"
    assert "refuses the login" in await refused(valkey.url.replace("//", "//scraper:wrong@"))


async def test_a_database_of_its_own(valkey: Server) -> None:
    assert await added(f"{valkey.url}/3") == "waiting"
    used = str(await valkey.ask("INFO", "keyspace"))
    assert "db3:" in used
    assert "db0:" not in used


async def test_a_socket(valkey: Server) -> None:
    assert await added(f"unix://{valkey.socket_path}?db=2") == "waiting"


async def test_a_server_that_evicts_or_forgets(valkey: Server) -> None:
    await valkey.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert "CONFIG SET maxmemory-policy noeviction" in await refused(valkey.url)
    await valkey.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    await valkey.ask("CONFIG", "SET", "appendonly", "no")
    client = connect(valkey.url)
    info = await check_server(client, valkey.url)
    await client.aclose()
    assert "set appendonly yes" in info.warnings[0]


async def test_tls_with_a_certificate_on_both_sides(
    tls_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ca = trustme.CA()
    files = {
        name: tmp_path / f"{name}.pem" for name in ("ca", "server", "server-key", "client", "client-key")
    }
    ca.cert_pem.write_to_path(files["ca"])
    for name, issued in (
        ("server", ca.issue_cert("localhost", "127.0.0.1")),
        ("client", ca.issue_cert("us@host")),
    ):
        issued.cert_chain_pems[0].write_to_path(files[name])
        issued.private_key_pem.write_to_path(files[f"{name}-key"])
    port, tls_port = free_ports(2)
    async with running(
        tls_engine, tmp_path / "server", port, tls_port=str(tls_port), tls_cert_file=str(files["server"]),
        tls_key_file=str(files["server-key"]), tls_ca_cert_file=str(files["ca"]),
    ):  # fmt: skip
        url = f"rediss://127.0.0.1:{tls_port}"
        assert "certificate" in await refused(url)  # nobody vouches for it
        own = {
            "redis_ca_file": files["ca"],
            "redis_cert_file": files["client"],
            "redis_key_file": files["client-key"],
        }
        known = Settings.load(redis_url=url, **own).queue_url
        assert known is not None
        assert await added(known) == "waiting"
        beside = Settings.load(redis_host="localhost", redis_port=tls_port, redis_tls=True, **own).queue_url
        assert beside is not None
        assert await added(beside) == "waiting"
        command = CommandLine(tmp_path)
        environment = {name.upper(): str(value) for name, value in own.items()}
        result = await command.run("queue", "counts", REDIS_URL=url, **environment)
        assert result.status == 0, result.err
        without = await command.run("queue", "counts", REDIS_URL=url)
        assert without.status == 4, without.err
