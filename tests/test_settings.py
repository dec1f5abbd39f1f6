from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from mediascrape.errors import ConfigurationError
from mediascrape.settings import Settings
from mediascrape.variables import describe_settings, unknown_variables


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for setting in describe_settings():
        monkeypatch.delenv(setting.env, raising=False)


def test_nothing_set_means_embedded_valkey_and_sqlite(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path)
    assert settings.queue_url is None
    assert settings.store_url == f"sqlite:///{tmp_path}/mediascrape.db"


def test_the_original_design_s_defaults_hold() -> None:
    settings = Settings.load()
    assert (settings.queue_name, settings.attempts, settings.backoff_ms, settings.job_timeout_ms) == (
        "media-scrape",
        2,
        2000,
        8000,
    )
    assert settings.keep_completed_count == 0
    assert settings.keep_failed_count > 0


def test_host_and_port_make_a_url_and_a_url_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_HOST", "cache.internal")
    monkeypatch.setenv("REDIS_PORT", "6380")
    monkeypatch.setenv("REDIS_PASSWORD", "p@ss/word")
    assert Settings.load().queue_url == "redis://:p%40ss%2Fword@cache.internal:6380/0"
    monkeypatch.setenv("REDIS_URL", "rediss://other:1")
    assert Settings.load().queue_url == "rediss://other:1"


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("MEDIASCRAPE_ATTEMPTS=5\nMEDIASCRAPE_BACKOFF_MS=5\n")
    monkeypatch.setenv("MEDIASCRAPE_BACKOFF_MS", "6")
    settings = Settings.load(backoff_ms=None, concurrency="7")
    assert (settings.attempts, settings.backoff_ms, settings.concurrency) == (5, 6, 7)


def test_networks_are_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIASCRAPE_ALLOW_NETWORKS", "127.0.0.0/8, ::1")
    assert Settings.load().allow_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONCURRENCY", "lots"),
        ("ATTEMPTS", "0"),
        ("ALLOW_NETWORKS", "300.0.0.0/8"),
        ("KINDS", "image,smell"),
        ("USER_AGENT", "me\nX-Forwarded-For: 127.0.0.1"),
        ("CONTACT_URL", "mailto:me@example.org\r"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MEDIASCRAPE_{name}", value)
    with pytest.raises(ConfigurationError, match=f"MEDIASCRAPE_{name}"):
        Settings.load()


def test_what_is_accepted_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIASCRAPE_CONCURRENCY", "lots")
    monkeypatch.setenv("MEDIASCRAPE_ALLOW_NETWORKS", "here")
    monkeypatch.setenv("MEDIASCRAPE_TOKEN", "short")
    with pytest.raises(ConfigurationError) as raised:
        Settings.load()
    told = sorted(str(raised.value).split("; "))
    assert told[0].startswith("MEDIASCRAPE_ALLOW_NETWORKS='here': 'here' does not appear to be")
    assert told[1].startswith("MEDIASCRAPE_CONCURRENCY='lots': should be 'auto', or a valid integer")
    assert told[2] == "MEDIASCRAPE_TOKEN: needs 16 characters or more"
    assert len(told) == 3


def test_a_secret_that_is_too_short_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="MEDIASCRAPE_TOKEN: ") as caught:
        Settings.load(token="hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_misspelt_variable_is_found_with_what_was_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert unknown_variables() == {}
    monkeypatch.setenv("MEDIASCRAPE_CONCURENCY", "7")
    monkeypatch.setenv("MEDIASCRAPE_ROBOTS", "false")
    (tmp_path / ".env").write_text("MEDIASCRAPE_DATABASE_ULR=sqlite:///x\nMEDIASCRAPE_QQQ=1\nOTHER=2\n")
    assert unknown_variables() == {
        "MEDIASCRAPE_CONCURENCY": "MEDIASCRAPE_CONCURRENCY",
        "MEDIASCRAPE_DATABASE_ULR": "DATABASE_URL",
        "MEDIASCRAPE_QQQ": None,
    }


@pytest.mark.parametrize("url", ["foo", "postgres", "localhost:5432"])
def test_a_word_that_names_no_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL: should be postgresql://"):
        Settings.load(database_url=url)


@pytest.mark.parametrize("url", ["./foo", "media.db", "/var/lib/media", "sqlite:///foo", "postgresql://db/m"])
def test_what_names_a_database(url: str) -> None:
    assert Settings.load(database_url=url).store_url == url


def test_secrets_stay_out_of_the_repr() -> None:
    assert "hunter2" not in repr(
        Settings.load(redis_url="redis://:hunter2@h", database_url="postgresql://u:hunter2@h/d")
    )
