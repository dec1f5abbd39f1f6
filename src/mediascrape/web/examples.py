"""One answer of each kind for the OpenAPI document, as a client would get it."""

from __future__ import annotations

from typing import Any

_TIME = "2026-03-01T12:00:00.000Z"
_PAGE, _PICTURE = "https://example.org/harbour", "https://cdn.example.org/ferry-1200.jpg"
_BATCH, _JOB = "019d1c7f20aa5be1c9d80f64", "j01m8b2r1fd1f2s2mby"

_media = {
    "id": 632, "url": _PICTURE, "kind": "image", "via": "img.srcset", "page_url": _PAGE,
    "page_title": "The harbour", "alt": "The last ferry", "title": None, "width": 1200, "height": 800,
    "mime_type": "image/jpeg", "host": "cdn.example.org", "flags": [], "provider": None, "provider_id": None,
    "first_seen": _TIME,
}  # fmt: skip
_sighting = {
    "page_url": _PAGE, "page_title": "The harbour", "via": "img.srcset", "places": ["img.srcset"],
    "position": 3, "alt": "The last ferry", "title": None, "last_scraped": _TIME,
}  # fmt: skip
_scrape = {
    "job_id": _JOB, "batch_id": _BATCH, "url": "https://example.org/gone", "outcome": "not_found",
    "error": "404", "found": 0, "new": 0, "attempts": 1, "duration_ms": 84, "started_at": _TIME,
    "finished_at": _TIME,
}  # fmt: skip
_job = {
    "id": _JOB, "name": "scrape-page", "url": "https://example.org/gone", "batch_id": _BATCH,
    "state": "failed", "priority": 0, "attempts_made": 1, "attempts": 2, "stalled_count": 0,
    "created_at": _TIME, "started_at": _TIME, "finished_at": _TIME, "due_at": None,
    "failed_reason": "not_found: 404", "processed_by": "worker-1:4711",
}  # fmt: skip
_schedule = {
    "id": "c1d2e3", "url": _PAGE, "name": "scrape-page", "every_ms": 3_600_000, "cron": None, "tz": None,
    "limit": None, "start_at": None, "end_at": None, "next_at": _TIME, "runs": 1, "priority": 0,
}  # fmt: skip
_rejected = {"url": "ftp://x/", "reason": "unsupported_scheme: only http and https"}

#: Model -> example.
EXAMPLES: dict[str, Any] = {
    "IngestAnswer": {
        "batch_id": _BATCH, "queued": 1, "duplicates": 0, "rejected": [_rejected],
        "jobs": [{"id": _JOB, "url": _PAGE, "duplicate": False}],
    },
    "MediaList": {"items": [_media], "next_cursor": "632"},
    "MediaWithSightings": _media | {"seen_on": [_sighting]},
    "ScrapeList": {"items": [_scrape], "next_cursor": None},
    "Totals": {
        "pages": 120, "media": {"audio": 20, "embed": 8, "image": 597, "video": 2},
        "scrapes": {"ok": 120, "not_found": 1},
    },
    "Batch": {
        "batch_id": _BATCH, "created_at": _TIME, "finished": False, "total": 50, "queued": 30, "active": 8,
        "done": 11, "failed": 1, "missing": 0, "found": 140, "new": 131, "duplicates": 0, "rejected": 1,
        "failures": {"not_found": 1},
    },
    "JobList": {"items": [_job], "next_cursor": None, "total": 1},
    "JobDetail": _job | {
        "data": {"url": "https://example.org/gone", "batch": _BATCH}, "stacktrace": ["not_found: 404"],
        "logs": [f"{_TIME} attempt 1 of 2 failed: not_found: 404; another would not help"],
        "scrape": _scrape,
    },
    "Changed": {"changed": 3},
    "QueueState": {
        "name": "media-scrape", "paused": False,
        "counts": {
            "waiting": 30, "active": 8, "prioritized": 0, "delayed": 2, "completed": 0, "failed": 1,
            "waiting-children": 0,
        },
        "workers": [{
            "name": "worker-1:4711", "address": "10.0.0.7:51234", "age_s": 3600, "in_flight": 8, "limit": 200,
            "why": "enough", "memory": 110_000_000, "completed": 4200, "failed": 17,
        }],
        "hosts": [{
            "host": "https://example.org:443", "why": "slots", "in_flight": 8, "paused_ms": 0, "line_ms": 0,
            "failures": 0,
        }],
    },
    "ScheduleList": {"items": [_schedule], "next_cursor": None, "total": 1},
    "SchedulesAnswer": {"schedules": [_schedule], "rejected": [_rejected]},
    "Health": {"status": "ok"},
    "ProblemDocument": {
        "type": "/docs#problem-not_found", "title": "Not Found", "status": 404,
        "detail": "No batch 019d1c is known.", "code": "not_found", "errors": None,
    },
}  # fmt: skip
