"""The scripts of the installed `bullmq` package are those that our calls were written for."""

from __future__ import annotations

from hashlib import sha256

import pytest

from mediascrape.queue.job import JobOptions, NewJob
from mediascrape.queue.keys import QueueKeys
from mediascrape.queue.lua import SCRIPTS, command, load_scripts, pack_calls, script_of
from mediascrape.queue.scripts import QueueScripts

#: File (its number of KEYS is in the name) -> first 16 digits of its SHA-256. Where one differs
#: after an upgrade: read what changed in the script, mend the call, then put the new digest here.
PINNED = {
    "addDelayedJob-6": "33d07c0c376c760f",
    "addJobScheduler-11": "2c3c3856f30da873",
    "addLog-2": "2e2322a36a7705b9",
    "addPrioritizedJob-9": "5c72b69e53d0687d",
    "addStandardJob-9": "6f61f23b5d27ad6e",
    "changeDelay-4": "0a30d9823c49463b",
    "changePriority-7": "84163c6004a885ae",
    "cleanJobsInSet-3": "dbdd85409e49a4e3",
    "drain-5": "38cdebab12d9971c",
    "extendLocks-1": "14bb41f30eff2e7f",
    "getCounts-1": "8b92225a199eba16",
    "getJobScheduler-1": "9ebb0987d5d32877",
    "getJobs-1": "0b79a97d2556ac1a",
    "getMetrics-2": "63d4d89634ae96c5",
    "getRateLimitTtl-2": "b45d44a3c804e482",
    "getStateV2-8": "7332cc020b73227b",
    "moveJobFromActiveToWait-9": "ac9546cdd23294a2",
    "moveJobsToWait-8": "acbb6ceabe9c185e",
    "moveStalledJobsToWait-9": "dad86d89b50d825f",
    "moveToActive-11": "7d35069db0b831af",
    "moveToDelayed-11": "1a7b9311ef92fd66",
    "moveToFinished-14": "8e744ec5d65dbe9e",
    "obliterate-2": "a093b16d470ec624",
    "pause-7": "da797a84855a762e",
    "promote-9": "06c562bf39eaaa21",
    "releaseLock-1": "9ea88e92e80ce0b0",
    "removeJob-2": "f2acb16fda20ccac",
    "removeJobScheduler-3": "98c40c2f329d9bad",
    "reprocessJob-9": "4ea1093385a87676",
    "retryJob-11": "01f75f7604305080",
    "updateJobScheduler-12": "8c71d358aa62ffb7",
    "updateProgress-3": "62d0cce017bd552a",
}


def test_every_script_is_pinned() -> None:
    assert set(PINNED) == set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_is_the_one_our_call_was_written_for(name: str) -> None:
    assert sha256(load_scripts()[name].source).hexdigest()[:16] == PINNED[name]


def test_a_command_names_its_script() -> None:
    commands, _ = pack_calls(
        [QueueScripts(QueueKeys("q")).add_job("id", NewJob("name", None), "{}", JobOptions(), 1)]
    )
    script = script_of(commands[0])
    assert script is not None
    assert script.name == "addStandardJob-9"
    assert script_of(command("GET", "EVALSHA")) is None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (JobOptions(), "addStandardJob-9"),
        (JobOptions(delay_ms=1), "addDelayedJob-6"),
        (JobOptions(priority=1), "addPrioritizedJob-9"),
        (JobOptions(priority=1, delay_ms=1), "addDelayedJob-6"),
    ],
)
def test_options_choose_the_script_that_adds(options: JobOptions, name: str) -> None:
    assert (
        QueueScripts(QueueKeys("q")).add_job("id", NewJob("name", None), "{}", options, 1).batch.script.name
        == name
    )
