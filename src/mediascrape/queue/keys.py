"""Names of the keys of one queue: `{prefix}:{queue}:{type}`, as BullMQ builds them."""

from __future__ import annotations

from base64 import b64encode

from mediascrape.errors import ConfigurationError


class QueueKeys:
    """All key names of one queue.

    Raises ConfigurationError for a name BullMQ itself refuses: empty, or holding a colon.
    """

    __slots__ = (
        "active", "base", "cancel", "client_name", "completed", "delayed", "events", "failed", "id",
        "limiter", "marker", "meta", "name", "paused", "pc", "prefix", "prioritized", "repeat", "stalled",
        "stalled_check", "wait", "waiting_children",
    )  # fmt: skip

    def __init__(self, name: str, prefix: str = "bull") -> None:
        if not name or ":" in name:
            raise ConfigurationError(f"a queue's name must not be empty or hold a colon: {name!r}")
        self.name = name
        self.prefix = prefix
        self.base = base = f"{prefix}:{name}:"
        self.wait = f"{base}wait"
        self.paused = f"{base}paused"
        self.active = f"{base}active"
        self.prioritized = f"{base}prioritized"
        self.delayed = f"{base}delayed"
        self.completed = f"{base}completed"
        self.failed = f"{base}failed"
        self.waiting_children = f"{base}waiting-children"
        self.events = f"{base}events"
        self.stalled = f"{base}stalled"
        self.stalled_check = f"{base}stalled-check"
        self.limiter = f"{base}limiter"
        self.meta = f"{base}meta"
        self.marker = f"{base}marker"
        self.id = f"{base}id"
        self.pc = f"{base}pc"
        self.repeat = f"{base}repeat"
        #: Pub/sub channel of ours: a message is the id of a running job to cancel.
        self.cancel = f"{base}ms:cancel"
        #: Name that BullMQ's getWorkers looks for in CLIENT LIST (base64 of the queue's name).
        self.client_name = f"{prefix}:{b64encode(name.encode()).decode()}"

    def job(self, job_id: str) -> str:
        return self.base + job_id

    def lock(self, job_id: str) -> str:
        return f"{self.base}{job_id}:lock"

    def logs(self, job_id: str) -> str:
        return f"{self.base}{job_id}:logs"

    def deduplication(self, deduplication_id: str) -> str:
        return f"{self.base}de:{deduplication_id}"

    def metrics(self, outcome: str) -> str:
        return f"{self.base}metrics:{outcome}"

    def receipt(self, token: str) -> str:
        """A key of ours, set together with a batch of adds: proof that the batch took effect."""
        return f"{self.base}ms:receipt:{token}"
