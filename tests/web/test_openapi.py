"""The API keeps what its OpenAPI document promises, whatever it is sent (schemathesis), and its examples work."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

from command_line import CommandLine

#: Of one operation, per kind.
EXAMPLES = 10
_numbers = count()


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
    broken: dict[str, str] = {}
    for result in schema.exclude(path="/api/events").get_all_operations():  # its answer never ends
        operation = result.ok()
        if operation.label == "POST /api/schedules" and mode == GenerationMode.POSITIVE:
            continue  # no schema can say what a cron expression is
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
        case.call_and_validate(timeout=10)

    check()


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


def _examples(document: dict[str, Any], operation: Any) -> list[Any]:
    body = operation.definition.raw.get("requestBody")
    if body is None:
        return []
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    examples: list[Any] = document["components"]["schemas"][name]["examples"]
    return examples
