CREATE TABLE hosts (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

-- A URL may be longer than a B-tree entry can be, so uniqueness is of its digest.
CREATE TABLE pages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text NOT NULL,
    final_url text,
    title text,
    status integer,
    etag text,
    last_modified text,
    content_hash bytea,
    items_hash bytea NOT NULL,
    items integer NOT NULL,
    first_scraped bigint NOT NULL,
    last_scraped bigint NOT NULL
);
CREATE UNIQUE INDEX uq_pages_url ON pages ((md5(url)::uuid));

-- A host decides about half of a URL: with it first, the entries of a page's media lie together, and a
-- save touches few pages of the index however large the table is.
CREATE TABLE media (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host_id integer NOT NULL,
    first_page_id bigint NOT NULL,
    first_seen bigint NOT NULL,
    kind text NOT NULL,
    url text NOT NULL,
    via text NOT NULL,
    alt text,
    title text,
    width integer,
    height integer,
    mime_type text,
    flags text,
    provider text,
    provider_id text,
    words tsvector NOT NULL
);
CREATE UNIQUE INDEX uq_media_url ON media (host_id, (md5(url)::uuid));
CREATE INDEX ix_media_host_id ON media (host_id, id);
CREATE INDEX ix_media_kind ON media (kind, id) WHERE kind <> 'image';
CREATE INDEX ix_media_words ON media USING gin (words);

CREATE TABLE page_media (
    page_id bigint NOT NULL,
    position integer NOT NULL,
    media_id bigint NOT NULL,
    via text NOT NULL,
    places text,
    alt text,
    title text,
    PRIMARY KEY (page_id, position)
);
CREATE INDEX ix_page_media_media_id ON page_media (media_id);

CREATE TABLE scrapes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id text NOT NULL UNIQUE,
    batch_id text,
    page_id bigint,
    url text NOT NULL,
    outcome text NOT NULL,
    error text,
    found integer NOT NULL,
    new integer NOT NULL,
    attempts integer NOT NULL,
    duration_ms integer NOT NULL,
    started_at bigint NOT NULL,
    finished_at bigint NOT NULL
);
CREATE INDEX ix_scrapes_batch_id ON scrapes (batch_id, id) WHERE batch_id IS NOT NULL;
CREATE INDEX ix_scrapes_outcome ON scrapes (outcome, id) WHERE outcome <> 'ok';

-- Several rows (shards) a sum, so that the commits of many workers do not wait for each other.
CREATE TABLE tallies (
    scope text NOT NULL,
    name text NOT NULL,
    shard integer NOT NULL,
    count bigint NOT NULL,
    found bigint NOT NULL,
    new bigint NOT NULL,
    PRIMARY KEY (scope, name, shard)
) WITH (fillfactor = 50);

-- What separates words of URLs and texts, for the index and for what is searched.
CREATE FUNCTION mediascrape_words(texts text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_tsvector('simple', translate(texts, '/-_.:?&=%+,;@#~!''()*$[]|\"<>{}^`', repeat(' ', 34)));
