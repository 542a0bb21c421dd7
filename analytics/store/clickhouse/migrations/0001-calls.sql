-- One row per call: the list, its filters, its order and its charts read these two tables alone.
-- What is filtered, sorted or summed has a column; everything that is shown is in `card` (JSON), one column to read for a page.

-- Settled calls, each once, so that reading needs no FINAL. newest_first is minus the start in Unix ms: forward reading gives the newest.
-- Small granules, since a page of the list reads a few cards from all over the table. call_key joins search results: 8 bytes, not 40.
CREATE TABLE IF NOT EXISTS calls
(
    tenant LowCardinality(String),
    newest_first Int64 CODEC(Delta, ZSTD(1)),
    call_id String CODEC(ZSTD(1)),
    call_key UInt64 DEFAULT sipHash64(call_id) CODEC(NONE),
    version UInt64 CODEC(ZSTD(1)),
    started_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    ended_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    duration_ms Nullable(UInt32) CODEC(ZSTD(1)),
    termination LowCardinality(String),
    direction LowCardinality(String),
    queue LowCardinality(String),
    trunk_id LowCardinality(String),
    agent LowCardinality(String),
    caller String CODEC(ZSTD(1)),
    agent_sentiment Nullable(Float32) CODEC(ZSTD(1)),
    caller_sentiment Nullable(Float32) CODEC(ZSTD(1)),
    attention Float32 CODEC(ZSTD(1)),
    mos Nullable(Float32) CODEC(ZSTD(1)),
    alert_count UInt16 CODEC(ZSTD(1)),
    card String CODEC(ZSTD(1)),
    INDEX call_id_bloom call_id TYPE bloom_filter(0.005) GRANULARITY 32
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(started_at)
ORDER BY (tenant, newest_first, call_id)
SETTINGS index_granularity = 256;

-- Calls that are up, or changed in the last minutes: few, written again with every change, read with FINAL.
-- A call whose start is not known yet stands here with started_at = 0 and is in no list.
-- in_settled = 1: there may be a row in calls too; this one counts.
CREATE TABLE IF NOT EXISTS calls_open
(
    tenant LowCardinality(String),
    call_id String CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    in_settled UInt8 CODEC(ZSTD(1)),
    written_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    call_key UInt64 DEFAULT sipHash64(call_id) CODEC(NONE),
    newest_first Int64 CODEC(Delta, ZSTD(1)),
    started_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    ended_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    duration_ms Nullable(UInt32) CODEC(ZSTD(1)),
    termination LowCardinality(String),
    direction LowCardinality(String),
    queue LowCardinality(String),
    trunk_id LowCardinality(String),
    agent LowCardinality(String),
    caller String CODEC(ZSTD(1)),
    agent_sentiment Nullable(Float32) CODEC(ZSTD(1)),
    caller_sentiment Nullable(Float32) CODEC(ZSTD(1)),
    attention Float32 CODEC(ZSTD(1)),
    mos Nullable(Float32) CODEC(ZSTD(1)),
    alert_count UInt16 CODEC(ZSTD(1)),
    card String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, call_id);
