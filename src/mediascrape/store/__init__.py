"""Pages and the media found on them, in SQLite or PostgreSQL."""

from .options import StoreOptions
from .records import (
    MEDIA_RECORD_FIELDS,
    OK,
    BatchProgress,
    MediaDetail,
    MediaLike,
    MediaPage,
    MediaQuery,
    PageRecord,
    Saved,
    ScrapePage,
    ScrapeQuery,
    ScrapeRecord,
    Sighting,
    StoredMedia,
    StoredScrape,
    Totals,
    Validators,
)
from .store import Store, open_store

__all__ = [
    "MEDIA_RECORD_FIELDS",
    "OK",
    "BatchProgress",
    "MediaDetail",
    "MediaLike",
    "MediaPage",
    "MediaQuery",
    "PageRecord",
    "Saved",
    "ScrapePage",
    "ScrapeQuery",
    "ScrapeRecord",
    "Sighting",
    "Store",
    "StoreOptions",
    "StoredMedia",
    "StoredScrape",
    "Totals",
    "Validators",
    "open_store",
]
