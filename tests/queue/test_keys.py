from __future__ import annotations

import pytest

from mediascrape.errors import ConfigurationError
from mediascrape.queue.keys import QueueKeys


@pytest.mark.parametrize("name", ["", "a:b"])
def test_names_that_bullmq_refuses(name: str) -> None:
    with pytest.raises(ConfigurationError):
        QueueKeys(name)


def test_keys_are_bullmqs() -> None:
    keys = QueueKeys("media-scrape", "{bull}")
    assert keys.wait == "{bull}:media-scrape:wait"
    assert keys.stalled_check == "{bull}:media-scrape:stalled-check"
    assert keys.lock("x") == "{bull}:media-scrape:x:lock"
    assert keys.deduplication("y") == "{bull}:media-scrape:de:y"
    assert keys.client_name == "{bull}:bWVkaWEtc2NyYXBl"


def test_every_key_is_in_the_queues_own_slot_of_a_cluster() -> None:
    keys = QueueKeys("q", "{p}")
    names = [getattr(keys, name) for name in QueueKeys.__slots__ if name not in {"name", "prefix"}]
    names += [keys.receipt("t"), keys.logs("j"), keys.metrics("failed")]
    assert all(name.startswith("{p}:") for name in names)
