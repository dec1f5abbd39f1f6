"""Who works on the queue: ours as they describe themselves, others as their connections tell."""

from __future__ import annotations

from mediascrape.queue.presence import WorkerPresence
from mediascrape.web.api.queue import workers_of

OURS = WorkerPresence("w1", "here:1", "1.0", 100.0, 3, 20, "growing", 64 * 2**20, 7, 1)
CONNECTIONS = [
    {"id": "5", "name": "bull:bnVtYmVycw==:w:here:1", "addr": "10.0.0.1:5000", "age": "33"},
    {"id": "6", "name": "bull:bnVtYmVycw==:w:node", "addr": "10.0.0.2:5000", "age": "12"},
    {"id": "7", "name": "bull:bnVtYmVycw==", "addr": "10.0.0.3:5000", "age": "1"},
]


def test_each_worker_is_told_once() -> None:
    ours, node, nameless = workers_of([OURS], CONNECTIONS, now=160.4)
    assert (ours.name, ours.address, ours.age_s, ours.in_flight) == ("here:1", "10.0.0.1:5000", 60, 3)
    assert (node.name, node.age_s, node.limit) == ("node", 12, None)
    assert nameless.name == "7"


def test_one_whose_connection_is_not_listed_is_there_all_the_same() -> None:
    (ours,) = workers_of([OURS], [], now=50.0)
    assert (ours.address, ours.age_s) == ("", 0)
