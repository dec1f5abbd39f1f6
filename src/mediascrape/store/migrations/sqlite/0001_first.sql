CREATE TABLE hosts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE pages (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL UNIQUE,
    final_url TEXT,
    title TEXT,
    status INTEGER,
    etag TEXT,
    last_modified TEXT,
    content_hash BLOB,
    items_hash BLOB NOT NULL,
    items INTEGER NOT NULL,
    first_scraped INTEGER NOT NULL,
    last_scraped INTEGER NOT NULL
);

CREATE TABLE media (
    id INTEGER PRIMARY KEY,
    host_id INTEGER NOT NULL,
    first_page_id INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    kind TEXT NOT NULL,
    url TEXT NOT NULL UNIQUE,
    via TEXT NOT NULL,
    alt TEXT,
    title TEXT,
    width INTEGER,
    height INTEGER,
    mime_type TEXT,
    flags TEXT,
    provider TEXT,
    provider_id TEXT
);
CREATE INDEX ix_media_host_id ON media (host_id);
CREATE INDEX ix_media_kind ON media (kind) WHERE kind <> 'image';

CREATE TABLE page_media (
    page_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    media_id INTEGER NOT NULL,
    via TEXT NOT NULL,
    places TEXT,
    alt TEXT,
    title TEXT,
    PRIMARY KEY (page_id, position)
) WITHOUT ROWID;
CREATE INDEX ix_page_media_media_id ON page_media (media_id);

CREATE TABLE scrapes (
    id INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL UNIQUE,
    batch_id TEXT,
    page_id INTEGER,
    url TEXT NOT NULL,
    outcome TEXT NOT NULL,
    error TEXT,
    found INTEGER NOT NULL,
    new INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL
);
CREATE INDEX ix_scrapes_batch_id ON scrapes (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX ix_scrapes_outcome ON scrapes (outcome) WHERE outcome <> 'ok';

CREATE TABLE tallies (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    shard INTEGER NOT NULL,
    count INTEGER NOT NULL,
    found INTEGER NOT NULL,
    new INTEGER NOT NULL,
    PRIMARY KEY (scope, name, shard)
) WITHOUT ROWID;

-- Postings only: which items hold a word, not where in them or how often. Filled behind the writers by
-- `sqlite_search.py`, in the order of the media's ids; a media row's words never change.
CREATE VIRTUAL TABLE media_search USING fts5 (
    words, content = '', columnsize = 0, detail = none, tokenize = "unicode61 remove_diacritics 2"
);
CREATE TABLE search_progress (
    indexed INTEGER NOT NULL
);
INSERT INTO search_progress (indexed) VALUES (0);
