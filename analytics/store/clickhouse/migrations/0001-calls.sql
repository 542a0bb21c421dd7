-- One wide row per call: the list, its filters, its order and its charts read these two tables alone.
-- stages: one letter per stage (record, media, transcript, insight, score): p pending, r running, d done, f failed, s skipped.

-- Settled calls, each once, so that reading needs no FINAL. newest_first is minus the start in Unix ms: forward reading gives the newest.
-- Small granules, since a page of the list reads a few wide rows from all over the table.
CREATE TABLE IF NOT EXISTS calls
(
    tenant LowCardinality(String),
    newest_first Int64 CODEC(Delta, ZSTD(1)),
    call_id String CODEC(ZSTD(1)),
    version UInt64 CODEC(ZSTD(1)),
    started_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    ended_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    duration_ms Nullable(UInt32) CODEC(ZSTD(1)),
    changed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    termination LowCardinality(String),
    termination_detail String CODEC(ZSTD(1)),
    direction LowCardinality(String),
    queue LowCardinality(String),
    trunk_id LowCardinality(String),
    trunk_name LowCardinality(String),
    source LowCardinality(String),
    agent LowCardinality(String),
    caller String CODEC(ZSTD(1)),
    legs String CODEC(ZSTD(1)),
    recording_paused UInt8 CODEC(ZSTD(1)),
    agent_sentiment Nullable(Float32) CODEC(ZSTD(1)),
    caller_sentiment Nullable(Float32) CODEC(ZSTD(1)),
    attention Float32 CODEC(ZSTD(1)),
    talk_ratio Nullable(Float32) CODEC(ZSTD(1)),
    mos Nullable(Float32) CODEC(ZSTD(1)),
    alert_count UInt16 CODEC(ZSTD(1)),
    dtmf_count UInt16 CODEC(ZSTD(1)),
    stages LowCardinality(String),
    external_call_id String CODEC(ZSTD(1)),
    sip_call_id String CODEC(ZSTD(1)),
    peer LowCardinality(String),
    user_agent LowCardinality(String),
    packets_received UInt32 CODEC(ZSTD(1)),
    packets_lost UInt32 CODEC(ZSTD(1)),
    INDEX call_id_bloom call_id TYPE bloom_filter(0.005) GRANULARITY 8
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(started_at)
ORDER BY (tenant, newest_first, call_id)
SETTINGS index_granularity = 1024;

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
    newest_first Int64 CODEC(Delta, ZSTD(1)),
    started_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    ended_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    duration_ms Nullable(UInt32) CODEC(ZSTD(1)),
    changed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    termination LowCardinality(String),
    termination_detail String CODEC(ZSTD(1)),
    direction LowCardinality(String),
    queue LowCardinality(String),
    trunk_id LowCardinality(String),
    trunk_name LowCardinality(String),
    source LowCardinality(String),
    agent LowCardinality(String),
    caller String CODEC(ZSTD(1)),
    legs String CODEC(ZSTD(1)),
    recording_paused UInt8 CODEC(ZSTD(1)),
    agent_sentiment Nullable(Float32) CODEC(ZSTD(1)),
    caller_sentiment Nullable(Float32) CODEC(ZSTD(1)),
    attention Float32 CODEC(ZSTD(1)),
    talk_ratio Nullable(Float32) CODEC(ZSTD(1)),
    mos Nullable(Float32) CODEC(ZSTD(1)),
    alert_count UInt16 CODEC(ZSTD(1)),
    dtmf_count UInt16 CODEC(ZSTD(1)),
    stages LowCardinality(String),
    external_call_id String CODEC(ZSTD(1)),
    sip_call_id String CODEC(ZSTD(1)),
    peer LowCardinality(String),
    user_agent LowCardinality(String),
    packets_received UInt32 CODEC(ZSTD(1)),
    packets_lost UInt32 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, call_id);
