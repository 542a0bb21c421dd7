-- Small granules and blocks: a call's few segments are read from all over the table.
-- Final utterances. A higher revision of a segment replaces a lower one. Searches read `calls.said`, which is made of these.
CREATE TABLE IF NOT EXISTS segments
(
    tenant LowCardinality(String),
    call_id String CODEC(ZSTD(1)),
    start_ms UInt32 CODEC(Delta, ZSTD(1)),
    segment_id String CODEC(ZSTD(1)),
    revision UInt32 CODEC(ZSTD(1)),
    leg UInt16 CODEC(ZSTD(1)),
    end_ms UInt32 CODEC(Delta, ZSTD(1)),
    text String CODEC(ZSTD(1)),
    word_texts Array(String) CODEC(ZSTD(1)),
    word_starts Array(UInt32) CODEC(Delta, ZSTD(1)),
    word_ends Array(UInt32) CODEC(Delta, ZSTD(1)),
    word_confidences Array(Float32) CODEC(ZSTD(1)),
    engine LowCardinality(String),
    engine_version LowCardinality(String),
    language LowCardinality(String),
    confidence Float32 CODEC(ZSTD(1)),
    lost_ms UInt32 CODEC(ZSTD(1)),
    error String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (tenant, call_id, start_ms, segment_id)
SETTINGS index_granularity = 256, min_compress_block_size = 8192, max_compress_block_size = 65536;
