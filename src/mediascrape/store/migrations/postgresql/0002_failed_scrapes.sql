-- The newest failures, without a look at all that went well in between.
CREATE INDEX ix_scrapes_failed ON scrapes (id) WHERE outcome <> 'ok';
