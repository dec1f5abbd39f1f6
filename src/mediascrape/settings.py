"""Every setting in one frozen object: name, default, help.

This is the only module that takes values from the environment (and a `.env` file in the working
directory). Command-line flags override it by `Settings.load(name=value)`. Documentation and `--help`
are derived from the fields below (variables.py), so a setting that is not described here does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlencode

from platformdirs import user_data_path
from pydantic import BeforeValidator, Field, FilePath, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mediascrape.errors import ConfigurationError

PREFIX = "MEDIASCRAPE_"
#: How pydantic begins most of its messages.
_WANTED = "Input should be "
#: Settings that keep the names which the user's other tools already use.
UNPREFIXED = (
    "redis_url",
    "redis_host",
    "redis_port",
    "redis_username",
    "redis_password",
    "redis_db",
    "redis_tls",
    "redis_ca_file",
    "redis_cert_file",
    "redis_key_file",
    "database_url",
)


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _network(value: object) -> object:
    return ip_network(value, strict=False) if isinstance(value, str) else value


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """The configuration of one process. Times carry their unit in the name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
    )

    # where things are kept
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("mediascrape", appauthor=False),
        description="Directory of the embedded Valkey, the SQLite database and caches.",
    )
    redis_url: SecretStr | None = Field(
        None, validation_alias="REDIS_URL",
        description="Valkey or Redis to use (redis://, rediss://, unix://, redis+sentinel://, redis+cluster://: "
        "docs/scaling.md). Without it and REDIS_HOST an embedded Valkey is started in the data directory.",
    )  # fmt: skip
    redis_host: str | None = Field(
        None, validation_alias="REDIS_HOST", description="Host, where no REDIS_URL is given."
    )
    redis_port: int = Field(
        6379, ge=1, le=65535, validation_alias="REDIS_PORT", description="Port beside REDIS_HOST."
    )
    redis_username: str | None = Field(
        None, validation_alias="REDIS_USERNAME", description="ACL user beside REDIS_HOST."
    )
    redis_password: SecretStr | None = Field(
        None, validation_alias="REDIS_PASSWORD", description="Password beside REDIS_HOST."
    )
    redis_db: int = Field(
        0, ge=0, validation_alias="REDIS_DB", description="Database number beside REDIS_HOST."
    )
    redis_tls: bool = Field(
        False,
        validation_alias="REDIS_TLS",
        description="Speak TLS to REDIS_HOST; a URL says rediss:// instead.",
    )
    redis_ca_file: FilePath | None = Field(
        None, validation_alias="REDIS_CA_FILE",
        description="Certificates (PEM) that the server's is checked against, where the system's do not do.",
    )  # fmt: skip
    redis_cert_file: FilePath | None = Field(
        None,
        validation_alias="REDIS_CERT_FILE",
        description="Our own certificate, for servers that ask for one.",
    )
    redis_key_file: FilePath | None = Field(
        None, validation_alias="REDIS_KEY_FILE", description="The key of REDIS_CERT_FILE."
    )
    database_url: SecretStr | None = Field(
        None, validation_alias="DATABASE_URL",
        description="PostgreSQL to store pages and media in (postgresql://…), or another SQLite file "
        "(sqlite:///PATH). Absent: SQLite in the data directory.",
    )  # fmt: skip

    database_connections: int = Field(
        4, ge=1, le=100, description="Most connections of one process to PostgreSQL."
    )
    keep_scrapes_age_s: int = Field(
        30 * 86_400, ge=0,
        description="How jobs ended is forgotten after this time; pages and media stay. 0 keeps all.",
    )  # fmt: skip

    # the queue
    queue_name: str = Field("media-scrape", min_length=1, description="Name of the BullMQ queue.")
    queue_prefix: str = Field("bull", min_length=1, description="Key prefix of the BullMQ queue.")
    queue_fsync: Literal["everysec", "always"] = Field(
        "everysec",
        description="When the embedded Valkey's file is written through to the disk: each second, or before "
        "each reply (slower; nothing is lost when the machine itself crashes).",
    )
    queue_max_memory_bytes: int = Field(
        0, ge=0,
        description="Adds are refused while the queue's server uses more memory; running jobs go on. "
        "0 sets no limit.",
    )  # fmt: skip
    attempts: int = Field(2, ge=1, le=1000, description="How often a job is tried in all.")
    backoff_ms: int = Field(
        2000, ge=0, description="Delay before the second attempt; doubles for each one after."
    )
    backoff_jitter: float = Field(
        0.5, ge=0, le=1, description="Share of the backoff that is drawn at random."
    )
    job_timeout_ms: int = Field(8000, ge=1, description="An attempt that outlives this is cancelled.")
    keep_failed_count: int = Field(10_000, ge=0, description="Failed jobs kept in the queue for inspection.")
    keep_failed_age_s: int = Field(7 * 86_400, ge=1, description="Failed jobs older than this are dropped.")
    keep_completed_count: int = Field(
        0, ge=0, description="Completed jobs kept in the queue; results live in the store."
    )
    metrics_points: int = Field(
        0, ge=0, le=44_640,
        description="Minutes of per-minute counts kept in the queue, for BullMQ's getMetrics and Bull Board.",
    )  # fmt: skip

    # the worker
    concurrency: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        "auto", description="Jobs in flight at once: a number, or `auto` to let the governor find it."
    )
    max_concurrency: int = Field(5000, ge=1, description="The most that `auto` may reach.")
    memory_limit_bytes: int | None = Field(
        None, ge=16 * 1024 * 1024,
        description="Memory that a worker and its embedded Valkey may use together, for `auto`. Absent: what "
        "the control group and the machine leave.",
    )  # fmt: skip
    lock_duration_ms: int = Field(
        30_000, ge=1000, description="A job whose worker is silent this long counts as stalled."
    )
    stalled_interval_ms: int = Field(30_000, ge=100, description="How often workers look for stalled jobs.")
    max_stalled_count: int = Field(3, ge=0, description="How often a job may stall before it is failed.")
    shutdown_grace_s: float = Field(
        10, ge=0, description="Time for jobs in flight to end before they are handed back."
    )

    # fetching
    user_agent: str | None = Field(
        None, description="User-Agent header; the default names mediascrape and its version."
    )
    contact_url: str | None = Field(
        None, description="Contact URL or address put into the default User-Agent."
    )
    max_url_length: int = Field(8192, ge=64, description="Longer page URLs are rejected.")
    max_body_bytes: int = Field(
        10 * 1024 * 1024, ge=1024, description="Longest document, after decompression."
    )
    body_budget_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024 * 1024,
        description="Bytes of bodies held in memory by all requests together.",
    )
    max_redirects: int = Field(10, ge=0, le=50, description="Redirects followed for one page.")
    connect_timeout_ms: int = Field(5000, ge=1, description="Time for a connection, TLS included.")
    http2: bool = Field(
        False, description="Speak HTTP/2 to hosts that offer it; one page after another costs more that way."
    )
    ca_file: FilePath | None = Field(
        None, description="PEM file of the certificate authorities to trust instead of Mozilla's."
    )
    allow_networks: Networks = Field(
        (),
        description="Comma-separated networks that may be contacted although not public, e.g. 127.0.0.0/8.",
    )

    revalidate: bool = Field(
        True,
        description="Ask for a page that was scraped before only if it has changed (ETag, Last-Modified); its "
        "media stay as they were found then.",
    )

    # politeness
    host_concurrency: int = Field(
        8, ge=1,
        description="Requests at once to one host, across all workers; one worker never spends more than half of "
        "its jobs in flight on one host.",
    )  # fmt: skip
    host_delay_ms: int = Field(0, ge=0, description="Least time between two requests to one host.")
    host_failures_before_rest: int = Field(
        5, ge=1, description="Failures in a row after which a host rests: 10 s, then twice as long each time."
    )
    host_give_up_after_rests: int = Field(
        5, ge=1, description="Rests in a row, a try between each, after which a host's waiting jobs fail."
    )
    robots: bool = Field(True, description="Obey robots.txt, its Crawl-delay included.")

    # what is kept
    kinds: Names = Field((), description="Kinds to keep (image, video, audio, embed); empty keeps all.")
    keep_decoration: bool = Field(
        False, description="Keep icons, stylesheet images, placeholders and tracking pixels too."
    )
    min_width: int = Field(0, ge=0, description="Drop media known to be narrower (pixels).")
    min_height: int = Field(0, ge=0, description="Drop media known to be lower (pixels).")
    allow_hosts: Names = Field((), description="Keep media of these hosts (and their subdomains) only.")
    deny_hosts: Names = Field((), description="Drop media of these hosts (and their subdomains).")
    extensions: Names = Field((), description="Keep media with these file extensions only.")
    deep: bool = Field(False, description="Look for media URLs in JSON state inside scripts too.")

    # the web service
    host: str = Field(
        "127.0.0.1", min_length=1,
        description="Address that `serve` listens on. Any but loopback needs MEDIASCRAPE_TOKEN.",
    )  # fmt: skip
    port: int = Field(8000, ge=0, le=65535, description="Port that `serve` listens on; 0 takes a free one.")
    token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Secret that lets programs (bearer) and people (login) do everything.",
    )
    read_token: SecretStr | None = Field(
        None, min_length=16, description="Secret that lets them look only; needs `token` beside it."
    )
    allowed_hosts: Names = Field(
        (), description="Host names by which the service is reached besides localhost and addresses."
    )
    trusted_proxies: Names = Field(
        (), description="Addresses of reverse proxies whose X-Forwarded-For and -Proto are believed."
    )
    max_urls_per_request: int = Field(10_000, ge=1, description="URLs accepted in one request.")
    max_request_bytes: int = Field(8 * 1024 * 1024, ge=1024, description="Longest request body.")
    max_page_size: int = Field(500, ge=1, le=10_000, description="Most entries of one listing.")
    rate_limit: float = Field(
        100, ge=0,
        description="Requests a second of one client address (loopback excepted), with a burst of ten "
        "times that; 0 sets no limit.",
    )  # fmt: skip
    idempotency_ttl_s: int = Field(86_400, ge=1, description="How long an Idempotency-Key is remembered.")
    private_media: bool = Field(
        False,
        description="Show pictures through this service, so that no other host sees a viewer's address, "
        "unless the viewer chooses otherwise.",
    )
    thumbnail_cache_bytes: int = Field(
        256 * 1024 * 1024, ge=0,
        description="Disk space for pictures made smaller for that; 0 shows none instead.",
    )  # fmt: skip

    # telling
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )
    log_format: Literal["pretty", "json"] = Field(
        "pretty", description="How `serve` and `worker` log: for people, or one JSON object a line."
    )
    otel: bool = Field(
        False,
        description="Send spans of jobs with OpenTelemetry (needs the extra `otel`; OTEL_* say where to).",
    )

    @field_validator("kinds")
    @classmethod
    def _known_kinds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = set(value) - {"image", "video", "audio", "embed"}
        if unknown:
            raise ValueError(f"unknown kind {', '.join(sorted(unknown))}; known: image, video, audio, embed")
        return value

    @field_validator("database_url")
    @classmethod
    def _names_a_database(cls, value: SecretStr | None) -> SecretStr | None:
        """A word alone is more likely a slip than a file's name: it would silently be an empty database."""
        text = value.get_secret_value() if value is not None else "://"
        if "://" not in text and "/" not in text and not Path(text).suffix:
            raise ValueError("should be postgresql://…, sqlite:///PATH, or a file's path such as ./media.db")
        return value

    @field_validator("user_agent", "contact_url")
    @classmethod
    def _one_line(cls, value: str | None) -> str | None:
        if value is not None and not value.isprintable():
            raise ValueError("it is sent as part of a header: no line breaks or other control characters")
        return value

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read flags (`overrides`, None meaning not given), then the environment, then `.env`.

        Raises ConfigurationError naming each wrong setting, its value and what is accepted.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            raise ConfigurationError("; ".join(_explain(error))) from None

    @property
    def queue_url(self) -> str | None:
        """URL of the external Valkey or Redis, all that it needs in it, or None for the embedded one.

        Raises ConfigurationError for a cluster whose nodes would share the queue's keys.
        """
        if self.redis_url is not None:
            return self._completed(self.redis_url.get_secret_value())
        if self.redis_host is None:
            return None
        user = quote(self.redis_username or "", safe="")
        password = quote(self.redis_password.get_secret_value(), safe="") if self.redis_password else ""
        login = f"{user}:{password}@" if user or password else ""
        host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
        scheme = "rediss" if self.redis_tls else "redis"
        return self._completed(f"{scheme}://{login}{host}:{self.redis_port}/{self.redis_db}")

    def _completed(self, url: str) -> str:
        """With the certificates, and for a cluster the prefix that decides which node serves the queue."""
        scheme = url.partition("://")[0].lower()
        query = {}
        if scheme.startswith(("rediss", "valkeys")):
            files = {
                "ssl_ca_certs": self.redis_ca_file,
                "ssl_certfile": self.redis_cert_file,
                "ssl_keyfile": self.redis_key_file,
            }
            query = {name: str(file) for name, file in files.items() if file is not None}
        if scheme.endswith("+cluster"):
            if re.search(r"\{[^}]+\}", self.queue_prefix) is None:
                raise ConfigurationError(
                    f"{PREFIX}QUEUE_PREFIX={self.queue_prefix}: in a cluster it must hold a part in braces, "
                    "as {bull}, so that all keys of the queue lie on one node"
                )
            query["key"] = self.queue_prefix
        if not query:
            return url
        return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"

    @property
    def store_url(self) -> str:
        """URL of the database."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.expanduser().absolute() / 'mediascrape.db'}"


def _explain(error: ValidationError) -> Iterator[str]:
    """One sentence a setting, however many ways it could have been right."""
    by_name: dict[str, list[ErrorDetails]] = {}
    for problem in error.errors(include_url=False):
        by_name.setdefault(str(problem["loc"][0]) if problem["loc"] else "settings", []).append(problem)
    for name, problems in by_name.items():
        env = name if name.isupper() else f"{PREFIX}{name.upper()}"
        field = Settings.model_fields.get(name.lower())
        secret = field is not None and "SecretStr" in str(field.annotation)
        given = "" if secret else f"={problems[0].get('input')!r}"
        told = ", or ".join(map(_sentence, problems))
        wanted = "should be " if all(p["msg"].startswith(_WANTED) for p in problems) else ""
        yield f"{env}{given}: {wanted}{told}"


def _sentence(problem: ErrorDetails) -> str:
    if problem["type"] == "too_short":  # of a secret, which pydantic counts in items
        return f"needs {problem['ctx']['min_length']} characters or more"
    return problem["msg"].removeprefix("Value error, ").removeprefix(_WANTED)
