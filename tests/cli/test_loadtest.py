"""`mediascrape loadtest` as a person runs it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from mediascrape.loadtest.answers import fault_of
from mediascrape.loadtest.options import OriginOptions

SMALL = ("--page-size=5000", "--latency=0", "--hosts=8", "--batch-size=20", "--delay-ms=0", "-c", "20")


async def loadtest(data_dir: Path, *arguments: str) -> tuple[int, str, str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("REDIS_", "DATABASE_URL"))
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mediascrape", "loadtest", *arguments,
        env={**environment, "MEDIASCRAPE_DATA_DIR": str(data_dir), "MEDIASCRAPE_BACKOFF_MS": "10"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def expected(jobs: int, faults: dict[str, float]) -> dict[str, int]:
    """Pages by fault, as the origin decides them."""
    kinds = [fault_of(number, OriginOptions(faults=faults)) for number in range(jobs)]
    return {kind: kinds.count(kind) for kind in {*kinds} if kind}


async def test_scraping_with_faults_is_counted_as_the_origin_served_it(tmp_path: Path) -> None:
    faults = {"404": 0.05, "flaky": 0.1}
    flags = [f"--fault={kind}={share}" for kind, share in faults.items()]
    report = tmp_path / "report.html"
    status, out, err = await loadtest(
        tmp_path / "own", "-n", "100", *SMALL, *flags, "--json", "--report", str(report)
    )
    assert err == ""
    result: dict[str, Any] = json.loads(out)
    shares = expected(100, faults)
    assert result["errors"] == {"not_found": shares["404"]}
    assert result["succeeded"] == 100 - shares["404"]
    assert (result["jobs"], result["pending"], status) == (100, 0, 3)
    assert result["origin"]["statuses"]["500"] == shares["flaky"] == result["retried"]
    assert {"valkey", "simulated origin", "mediascrape and this driver"} <= result["peak_memory_bytes"].keys()
    assert result["wait_ms"]["p50"] <= result["wait_ms"]["p99"] <= result["wait_ms"]["max"]
    assert report.read_text().count("<svg") == 4
    assert not (tmp_path / "own").exists()  # what is the user's own is left alone


async def test_all_succeeding_is_status_0_and_told_to_a_person(tmp_path: Path) -> None:
    status, out, _ = await loadtest(tmp_path, "-n", "40", *SMALL)
    assert status == 0
    facts = dict(line.split(maxsplit=1) for line in out.splitlines()[:3])
    assert (facts["succeeded"], facts["submitted"].split()[0]) == ("40", "40")
    assert "peak MB" in out


async def test_own_services_keep_their_pages_but_not_the_queue(tmp_path: Path) -> None:
    status, _, err = await loadtest(tmp_path, "-n", "20", *SMALL, "--own-services")
    assert (status, err) == (0, "")
    assert (tmp_path / "mediascrape.db").exists()
    assert (tmp_path / "valkey").exists()


async def test_over_http_the_service_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    status, out, _ = await loadtest(tmp_path, "--mode", "http", "-n", "40", *SMALL, "--json")
    result = json.loads(out)
    assert (status, result["succeeded"], result["pending"]) == (0, 40, 0)
    assert {"mediascrape serve", "this driver", "valkey"} <= result["peak_memory_bytes"].keys()


async def test_enqueue_only_submits(tmp_path: Path) -> None:
    status, out, _ = await loadtest(tmp_path, "--mode", "enqueue", "-n", "300", *SMALL, "--json")
    result = json.loads(out)
    assert (status, result["jobs"], result["pending"], result["succeeded"]) == (0, 300, 300, 0)
    assert result["rate_per_s"] > 0


async def test_a_wrong_fault_is_a_usage_error(tmp_path: Path) -> None:
    status, _, err = await loadtest(tmp_path, "--fault", "teapot=0.1")
    assert status == 2
    assert "not a fault" in err
