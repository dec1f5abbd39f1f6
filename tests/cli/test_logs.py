"""Log lines."""

from __future__ import annotations

import json
import logging
import signal
import sys

import pytest

from command_line import CommandLine
from mediascrape.cli.logs import JSONFormatter, PrettyFormatter
from mediascrape.observing import current_job, current_request


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("mediascrape.x", logging.WARNING, "", 1, message, (), None)
    vars(made).update(extra)
    return made


def test_a_json_line_is_one_object_with_ids_and_extras() -> None:
    job, request = current_job.set("j1"), current_request.set("r1")
    try:
        line = JSONFormatter().format(record("two\nlines \x1b[31m", host="example.org", away=object))
    finally:
        current_job.reset(job)
        current_request.reset(request)
    assert "\n" not in line
    told = json.loads(line)
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "warning", "logger": "mediascrape.x", "message": "two\nlines \x1b[31m", "job_id": "j1",
        "request_id": "r1", "host": "example.org", "away": str(object),
    }  # fmt: skip


def test_a_json_line_holds_the_traceback() -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        made = record("failed")
        made.exc_info = sys.exc_info()
    assert "ValueError: odd" in json.loads(JSONFormatter().format(made))["exception"]


@pytest.mark.parametrize(
    ("message", "shown"), [("plain ä", "plain ä"), ("a\x1b[31mb\x07\u202e", r"a\x1b[31mb\x07\u202e")]
)
def test_a_line_for_people_shows_what_would_move_the_terminal(message: str, shown: str) -> None:
    job = current_job.set("j1")
    try:
        line = PrettyFormatter().format(record(message))
    finally:
        current_job.reset(job)
    assert line.endswith(f"WARNING mediascrape.x: {shown} [job_id=j1]")


@pytest.mark.parametrize("command", [("worker",), ("serve", "--port", "0")], ids=lambda words: words[0])
async def test_each_line_of_a_service_is_an_object_to_its_end(
    mediascrape: CommandLine, command: tuple[str, ...]
) -> None:
    with mediascrape.start(*command, MEDIASCRAPE_LOG_FORMAT="json") as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(None, 30)
    assert process.returncode == 130
    messages = [json.loads(line)["message"] for line in [first, *rest.splitlines()]]
    assert messages[1:] == ["stopping: 0 jobs in flight have 10 s to end", "stopped: 0 jobs were handed back"]
