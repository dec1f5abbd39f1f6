"""URL in, media items out: the network side and the extractor."""
