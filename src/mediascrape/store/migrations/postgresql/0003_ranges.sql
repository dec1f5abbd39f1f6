-- Keeps the items a search reads to a range of ids; it takes a block in ten thousand of the table's.
CREATE INDEX ix_media_range ON media USING brin (id) WITH (autosummarize = on);
