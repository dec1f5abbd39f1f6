"""The API keeps what its OpenAPI document promises, whatever it is sent (schemathesis), and its examples work."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from itertools import count
from typing import Any
from zoneinfo import available_timezones

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

from command_line import CommandLine

#: Of one operation, per kind.
EXAMPLES = 10
_numbers = count()


#: Strings of the formats that only our document has.
_minute = st.integers(0, 59).map(str) | st.sampled_from(["*", "*/5", "0-30/10", "1,2,40"])
_hour = st.integers(0, 23).map(str) | st.sampled_from(["*", "?", "8-18", "*/6"])
_day = st.integers(1, 28).map(str) | st.sampled_from(["*", "?", "1-7"])
_month = st.integers(1, 12).map(str) | st.sampled_from(["*", "JAN", "1-6"])
_week_day = st.integers(0, 6).map(str) | st.sampled_from(["*", "?", "MON-FRI"])
_cron = st.tuples(_minute, _hour, _day, _month, _week_day).map(" ".join)
_interval = st.lists(
    st.tuples(st.integers(1, 99).map(str), st.sampled_from(["s", "m", "min", "h", "d", "w", "ms", "H"])),
    min_size=1, max_size=3,
).map(lambda parts: "".join(map("".join, parts)))  # fmt: skip
schemathesis.openapi.format("cron", _cron | st.sampled_from(["@hourly", "@weekdays", "0 0 6 * * *"]))
schemathesis.openapi.format("interval", _interval)
schemathesis.openapi.format("time-zone", st.sampled_from(sorted(available_timezones())))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`serve` as a process of its own."""
    command = CommandLine(tmp_path_factory.mktemp("openapi"))
    with command.start("serve", "--port", "0", "--no-worker") as process:
        assert process.stderr is not None
        match = None
        while match is None:
            line = process.stderr.readline()
            assert line, "the service ended"
            match = re.search(r"serves (http://[^ ]+)", line)
        yield match[1].rstrip("/")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_keeps_its_promise(base: str, mode: GenerationMode) -> None:
    """Right requests are served, wrong ones refused, and each answer is one the document tells of."""
    schema: Any = schemathesis.openapi.from_url(f"{base}/openapi.json")
    for check in (
        schema.config.checks.negative_data_rejection,
        schema.config.checks.positive_data_acceptance,
    ):
        check.expected_statuses = [
            *check.expected_statuses,
            "414",
        ]  # letters may be escaped to twelve bytes each
    broken: dict[str, str] = {}
    for result in schema.exclude(path="/api/events").get_all_operations():  # its answer never ends
        operation = result.ok()
        try:
            _check(operation, mode)
        except Unsatisfiable:
            assert mode == GenerationMode.NEGATIVE  # nothing can be wrong where nothing is asked
        except (FailureGroup, Exception) as error:
            broken[operation.label] = _told(error)
    assert not broken, "\n\n".join(f"{label}\n{told}" for label, told in broken.items())


def _check(operation: Any, mode: GenerationMode) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        if mode == GenerationMode.POSITIVE:
            query = case.query or {}
            by_page = bool(query.get("page_url") or query.get("batch_id"))  # their cursors have two numbers
            assume("cursor" not in query or ("." in query["cursor"]) == by_page)
            if "Idempotency-Key" in (case.headers or {}):
                case.headers["Idempotency-Key"] = f"key-{next(_numbers)}"
            if operation.label == "POST /api/schedules":
                assume(_runs(case.body))
        case.call_and_validate(timeout=10)

    check()


def _runs(body: Any) -> bool:
    """Whether a schedule's dates are in the calendar and its end is to come, which no schema can say."""
    end, start = body.get("end"), body.get("start")
    return (end is None or "2100" < end < "9000") and (start is None or "1971" < start < "9000")


def _told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(_told(one) for one in error.exceptions)
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def test_each_example_of_a_body_is_accepted(base: str) -> None:
    document: Any = schemathesis.openapi.from_url(f"{base}/openapi.json")
    found = 0
    for result in document.get_all_operations():
        operation = result.ok()
        for example in _examples(document.raw_schema, operation):
            case = operation.Case(body=example, media_type="application/json")
            assert case.call().status_code in (200, 202), operation.label
            found += 1
    assert found


def test_each_json_answer_has_an_example_that_fits(base: str) -> None:
    document: Any = schemathesis.openapi.from_url(f"{base}/openapi.json").raw_schema
    seen = 0
    for operations in document["paths"].values():
        for operation in operations.values():
            for answer in operation["responses"].values():
                for kind, content in answer.get("content", {}).items():
                    if not kind.endswith("json"):
                        continue
                    name = content["schema"]["$ref"].rpartition("/")[2]
                    (example,) = document["components"]["schemas"][name]["examples"]
                    inlined = content["schema"] | {"components": document["components"]}
                    jsonschema_rs.validator_for(inlined).validate(example)
                    seen += 1
    assert seen > 50


def _examples(document: dict[str, Any], operation: Any) -> list[Any]:
    body = operation.definition.raw.get("requestBody")
    if body is None:
        return []
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    examples: list[Any] = document["components"]["schemas"][name]["examples"]
    return examples
