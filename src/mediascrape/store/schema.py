"""The tables, for both backends. docs/store.md says why each is as it is.

The migrations create them; this is what the queries are written against. A test holds the two equal.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _listing_index(
    name: str, column: sa.Column[Any], row_id: sa.Column[Any], where: sa.ColumnElement[bool] | None = None
) -> None:
    """An index to list `column`'s rows by id; SQLite's indexes end in the id by themselves."""
    sa.Index(name, column, sqlite_where=where).ddl_if(dialect="sqlite")
    sa.Index(name, column, row_id, postgresql_where=where).ddl_if(dialect="postgresql")


hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
)

pages = sa.Table(
    "pages",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("url", sa.Text, nullable=False, unique=True),
    sa.Column("final_url", sa.Text),
    sa.Column("title", sa.Text),
    sa.Column("status", sa.Integer),
    sa.Column("etag", sa.Text),
    sa.Column("last_modified", sa.Text),
    sa.Column("content_hash", sa.LargeBinary),
    sa.Column("items_hash", sa.LargeBinary, nullable=False),
    sa.Column("items", sa.Integer, nullable=False),
    sa.Column("first_scraped", sa.BigInteger, nullable=False),
    sa.Column("last_scraped", sa.BigInteger, nullable=False),
)

media = sa.Table(
    "media",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("host_id", Id, nullable=False),
    sa.Column("first_page_id", Id, nullable=False),
    sa.Column("first_seen", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False, unique=True),
    sa.Column("via", sa.Text, nullable=False),
    sa.Column("alt", sa.Text),
    sa.Column("title", sa.Text),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("mime_type", sa.Text),
    sa.Column("flags", sa.Text),
    sa.Column("provider", sa.Text),
    sa.Column("provider_id", sa.Text),
)
_listing_index("ix_media_host_id", media.c.host_id, media.c.id)
# Nearly all media are images: listing those by id is already fast, only the rest needs an index.
NOT_IMAGE = media.c.kind != sa.literal_column("'image'")
_listing_index("ix_media_kind", media.c.kind, media.c.id, where=NOT_IMAGE)

page_media = sa.Table(
    "page_media",
    metadata,
    sa.Column("page_id", Id, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("media_id", Id, nullable=False),
    sa.Column("via", sa.Text, nullable=False),
    sa.Column("places", sa.Text),
    sa.Column("alt", sa.Text),
    sa.Column("title", sa.Text),
    sqlite_with_rowid=False,
)
sa.Index("ix_page_media_media_id", page_media.c.media_id)

scrapes = sa.Table(
    "scrapes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("job_id", sa.Text, nullable=False, unique=True),
    sa.Column("batch_id", sa.Text),
    sa.Column("page_id", Id),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("found", sa.Integer, nullable=False),
    sa.Column("new", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("duration_ms", sa.Integer, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Column("finished_at", sa.BigInteger, nullable=False),
)
FAILED = scrapes.c.outcome != sa.literal_column("'ok'")
_listing_index("ix_scrapes_batch_id", scrapes.c.batch_id, scrapes.c.id, where=scrapes.c.batch_id.is_not(None))
_listing_index("ix_scrapes_outcome", scrapes.c.outcome, scrapes.c.id, where=FAILED)
sa.Index("ix_scrapes_failed", scrapes.c.id, sqlite_where=FAILED, postgresql_where=FAILED)

tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("found", sa.BigInteger, nullable=False),
    sa.Column("new", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
