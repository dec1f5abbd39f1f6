"""Log lines: for people, or one JSON object a line for programs; each names the job and the request."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Literal

import orjson

from mediascrape.observing import current_job, current_request

LogFormat = Literal["pretty", "json"]

#: What every record has; what else one has was given by `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_logging(level: str, log_format: LogFormat = "pretty") -> None:
    """Log lines go to standard error; standard output is for results."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if log_format == "json" else PrettyFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])


class PrettyFormatter(logging.Formatter):
    """`2026-01-31 12:00:00,000 WARNING mediascrape.pipeline: … [job=…]`; control characters escaped, as what
    is logged may come from a page."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the base class's name
        line = super().formatMessage(record)
        ids = " ".join(f"{name}={value}" for name, value in _ids().items())
        return _visible(f"{line} [{ids}]" if ids else line)


class JSONFormatter(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`, then `job_id`, `request_id`, `exception` and the fields of
    `extra` where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_ids(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def _ids() -> dict[str, str]:
    ids = {"job_id": current_job.get(), "request_id": current_request.get()}
    return {name: value for name, value in ids.items() if value is not None}


def _visible(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
