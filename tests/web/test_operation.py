"""What an operator sees: metrics, request ids, spans."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client.parser import text_string_to_metric_families

from command_line import CommandLine
from mediascrape import Mediascrape, Settings, tracing
from mediascrape.loadtest.process import RunningOrigin
from web.raw_http import call, served

DOCS = Path(__file__).parents[2] / "docs" / "operation.md"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        data_dir=tmp_path / "data", allow_networks=(ip_network("127.0.0.0/8"),), backoff_ms=10
    )


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Mediascrape]:
    async with Mediascrape(settings) as running:
        yield running


async def test_each_log_line_is_an_object_where_asked_for(mediascrape: CommandLine) -> None:
    with mediascrape.start("serve", "--port", "0", "--no-worker", MEDIASCRAPE_LOG_FORMAT="json") as process:
        assert process.stderr is not None
        first = json.loads(await asyncio.to_thread(process.stderr.readline))
        process.send_signal(signal.SIGTERM)
        _, rest = await asyncio.to_thread(process.communicate, None, 30)
    assert (first["level"], first["logger"]) == ("info", "mediascrape.cli.serve")
    assert first["message"].startswith("mediascrape serves http://127.0.0.1:")
    assert all(json.loads(line) for line in rest.splitlines())


async def metrics_of(url: str) -> tuple[dict[str, str], dict[tuple[str, str], float]]:
    """Kinds of families by name; values by the sample's name and its labels' values."""
    answer = await call(url, "GET", "/metrics")
    assert answer.status == 200
    families = list(text_string_to_metric_families(answer.body.decode()))
    values = {
        (sample.name, ",".join(sorted(sample.labels.values()))): sample.value
        for family in families
        for sample in family.samples
    }
    return {family.name: family.type for family in families}, values


async def test_metrics_count_what_happened(service: Mediascrape, origin: RunningOrigin) -> None:
    submission = await service.submit([*origin.urls(6), "http://127.0.0.1:9/"])  # nobody listens on port 9
    async with asyncio.timeout(30):
        await service.wait(submission)
    async with served(service) as url:
        _, values = await metrics_of(url)
    assert values["mediascrape_scrapes_total", "ok"] == 6
    assert values["mediascrape_attempt_seconds_count", "ok"] == 6
    assert values["mediascrape_attempt_seconds_bucket", "+Inf,ok"] == 6
    assert values["mediascrape_attempt_seconds_count", "connection_refused"] == 2
    assert values["mediascrape_step_seconds_count", "extract"] == 6
    assert values["mediascrape_step_seconds_count", "save"] == 6
    assert values["mediascrape_step_seconds_count", "fetch"] == 6  # robots.txt of the other could not be had
    assert values["mediascrape_store_records_total", ""] == 7
    assert 1 <= values["mediascrape_store_commit_seconds_count", ""] <= 7
    assert values["mediascrape_queue_jobs", "failed"] == 1
    assert values["mediascrape_memory_bytes", ""] > 10**7
    assert values["mediascrape_governor_loop_lag_seconds", ""] >= 0


async def test_one_process_tells_of_the_workers_of_all_machines(
    settings: Settings, service: Mediascrape
) -> None:
    fixed = settings.model_copy(update={"concurrency": 7})
    async with (
        Mediascrape(fixed),
        Mediascrape(fixed),
        Mediascrape(settings, worker=False) as api,
        served(api) as url,
        asyncio.timeout(20),
    ):
        while (values := (await metrics_of(url))[1]).get(("mediascrape_workers", "fixed")) != 2:
            await asyncio.sleep(0.1)
    others = {name: value for name, value in values.items() if name[0] == "mediascrape_workers"}
    assert sum(others.values()) == 3
    assert values["mediascrape_workers_limit", ""] >= 14
    assert values["mediascrape_workers_in_flight", ""] == 0
    assert values["mediascrape_workers_memory_bytes", ""] > 3 * 10**7


async def test_each_metric_is_documented(service: Mediascrape, origin: RunningOrigin) -> None:
    async with asyncio.timeout(30):
        await service.wait(await service.submit(origin.urls(1)))
    async with served(service) as url:
        kinds, _ = await metrics_of(url)
    text = DOCS.read_text()
    for name, kind in kinds.items():
        if not name.startswith("mediascrape_process_"):
            assert f"`{name}{'_total' if kind == 'counter' else ''}` | {kind} |" in text


async def test_an_answer_names_its_request(service: Mediascrape) -> None:
    async with served(service) as url:
        assert (await call(url, "GET", "/healthz", x_request_id="mine-7")).headers["x-request-id"] == "mine-7"
        given = {
            (await call(url, "GET", path, x_request_id=sent)).headers["x-request-id"]
            for path in ("/healthz", "/api/jobs/none")
            for sent in ("", "not one", "x" * 101)
        }
    assert len(given) == 6
    assert all(len(one) == 16 for one in given)


async def test_spans_tell_of_attempts_and_their_steps(
    settings: Settings, origin: RunningOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(
        "mediascrape.service.open_tracer",
        lambda stack: tracing.open_tracer(stack, SimpleSpanProcessor(exporter)),
    )
    async with Mediascrape(settings.model_copy(update={"otel": True})) as service:
        submission = await service.submit([origin.url(1), "http://127.0.0.1:9/"])
        async with asyncio.timeout(30):
            await service.wait(submission)
    spans = exporter.get_finished_spans()
    jobs = {job.id: job.url for job in submission.jobs}
    attempts = [span for span in spans if span.name == "scrape-page"]
    ended = {}
    for span in attempts:
        assert span.attributes is not None
        number = span.attributes["messaging.message.attempt"]
        ended[jobs[str(span.attributes["messaging.message.id"])], number] = span.attributes[
            "mediascrape.outcome"
        ]
    assert ended == {
        (origin.url(1), 1): "ok",
        ("http://127.0.0.1:9/", 1): "connection_refused",
        ("http://127.0.0.1:9/", 2): "connection_refused",
    }
    for attempt in attempts:
        assert attempt.context is not None
        steps = [one.name for one in spans if one.parent and one.parent.span_id == attempt.context.span_id]
        failed = attempt.status.status_code is StatusCode.ERROR
        assert steps == (["admit"] if failed else ["admit", "fetch", "extract", "save"])
        assert attempt.resource.attributes["service.name"] == "mediascrape"
    assert sum(attempt.status.status_code is StatusCode.ERROR for attempt in attempts) == 2
