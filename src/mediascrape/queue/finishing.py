"""What is sent to the queue when an attempt has ended: the script of its verdict, and what goes with it."""

from __future__ import annotations

from mediascrape.queue.job import Job
from mediascrape.queue.job_log import packed_rows
from mediascrape.queue.lua import Call
from mediascrape.queue.outcome import Completed, Failed, Postponed, Retry
from mediascrape.queue.scripts import ClaimOptions, Delay, Finish, QueueScripts
from mediascrape.queue.slots import Slot, WorkerOptions


class Finishes:
    """Packs the ends of a worker's jobs."""

    def __init__(self, scripts: QueueScripts, options: WorkerOptions, claim: ClaimOptions) -> None:
        self._scripts = scripts
        self._options = options
        self._claim = claim

    def call(self, slot: Slot, now: int, *, fetch_next: bool) -> Call | bytes:
        """fetch_next: whether the reply shall bring the next job along, if the script can."""
        job, verdict = slot.job, slot.verdict
        assert job is not None
        slot.fetching = fetch_next
        if isinstance(verdict, Completed | Failed):
            finish = self._finish(slot, job, verdict, now)
            return self._scripts.move_to_finished(
                job.id, finish, now, fetch_next=fetch_next, claim=self._claim
            )
        if isinstance(verdict, Retry | Postponed):
            skip = isinstance(verdict, Postponed)
            fields = b"" if isinstance(verdict, Postponed) else verdict.packed_fields
            rows = packed_rows(job, verdict, slot.notes, now)
            again = Delay(slot.token, verdict.delay_ms, skip, fields, rows)
            if skip or verdict.delay_ms > 0:
                return self._scripts.move_to_delayed(
                    job.id, again, now, fetch_next=fetch_next, claim=self._claim
                )
            slot.fetching = False
            return self._scripts.retry_job(job.id, again, now, lifo=job.opts.lifo)
        slot.fetching = False
        return self._scripts.hand_back(job.id, slot.token)

    def _finish(self, slot: Slot, job: Job, verdict: Completed | Failed, now: int) -> Finish:
        options, failed = self._options, isinstance(verdict, Failed)
        if isinstance(verdict, Failed):
            value, fields = verdict.reason, verdict.packed_fields
            retention = job.opts.remove_on_fail or options.remove_on_fail
        else:
            value, fields = verdict.value, b""
            retention = job.opts.remove_on_complete or options.remove_on_complete
        kept = retention.count != 0
        rows = packed_rows(job, verdict, slot.notes, now) if kept else b""
        return Finish(
            slot.token, value, retention, job.opts.attempts, failed, options.metrics_points, fields, rows
        )
