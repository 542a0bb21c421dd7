-- The words of open calls, once more and by themselves, for as long as the calls are open: searches read them all. In `segments` they lie
-- among those of all other calls, some in each granule of every part, of which reading a few hundred calls takes longer than a search may.
CREATE TABLE IF NOT EXISTS open_segments
(
    tenant LowCardinality(String),
    call_id String CODEC(ZSTD(1)),
    start_ms UInt32 CODEC(Delta, ZSTD(1)),
    segment_id String CODEC(ZSTD(1)),
    revision UInt32 CODEC(ZSTD(1)),
    text String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (tenant, call_id, start_ms, segment_id);
