"""A queue in BullMQ's wire format on Valkey or Redis, and a worker for it.

Nothing here knows of HTTP or media. The Lua scripts are the `bullmq` package's own (data files);
everything around them is ours: see `scripts` for the calls, `worker` for the way of a job.
"""

from mediascrape.queue.adding import Added
from mediascrape.queue.events import QueueEvent, QueueEvents
from mediascrape.queue.job import Backoff, Deduplication, Job, JobOptions, NewJob, Retention
from mediascrape.queue.outcome import Postpone
from mediascrape.queue.queue import STATES, Metrics, Queue, State
from mediascrape.queue.repeat import Repeat
from mediascrape.queue.schedules import NewSchedule, Schedule, Schedules
from mediascrape.queue.slots import JobContext, Observer, WorkerCounters, WorkerOptions
from mediascrape.queue.worker import Worker

__all__ = [
    "STATES", "Added", "Backoff", "Deduplication", "Job", "JobContext", "JobOptions", "Metrics", "NewJob",
    "NewSchedule", "Observer", "Postpone", "Queue", "QueueEvent", "QueueEvents", "Repeat", "Retention", "Schedule",
    "Schedules", "State", "Worker", "WorkerCounters", "WorkerOptions",
]  # fmt: skip
