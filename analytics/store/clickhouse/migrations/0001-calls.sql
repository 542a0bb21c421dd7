-- One row per call: the list, its filters, its order and its charts read these two tables alone.
-- What is filtered, sorted or summed has a column; everything that is shown is in `card` (JSON), one column to read for a page.

-- Settled calls, each once, so that reading needs no FINAL. newest_first is minus the start in Unix ms: forward reading gives the newest.
-- Small granules, since a page of the list reads a few cards from all over the table. call_key finds a page's calls: 8 bytes, not 40.
-- What lists read is compressed for speed (LZ4), the cards too: a page needs twenty-five of them, each from another granule.
-- said: every word of the call, segments set apart by U+E000, so that no phrase reaches from one into the next. Searches are answered
-- by its index alone, in the order of the list. The positions that phrases need are marked experimental by ClickHouse 26.7.
-- per_quarter: the charts without filters. Zones are off UTC by multiples of a quarter of an hour, so any zone's days are sums of these.
-- names: the values of the list's filters.
-- Parts a day old are merged into one per month: a list reads from every part there is.
CREATE TABLE IF NOT EXISTS calls
(
    tenant LowCardinality(String),
    newest_first Int64 CODEC(Delta, LZ4),
    call_id String CODEC(LZ4),
    call_key UInt64 DEFAULT sipHash64(call_id) CODEC(NONE),
    version UInt64 CODEC(ZSTD(1)),
    started_at DateTime64(3, 'UTC') CODEC(Delta, LZ4),
    ended_at DateTime64(3, 'UTC') CODEC(Delta, LZ4),
    duration_ms Nullable(UInt32) CODEC(LZ4),
    termination LowCardinality(String),
    direction LowCardinality(String),
    queue LowCardinality(String),
    trunk_id LowCardinality(String),
    agent LowCardinality(String),
    caller String CODEC(LZ4),
    agent_sentiment Nullable(Float32) CODEC(LZ4),
    caller_sentiment Nullable(Float32) CODEC(LZ4),
    attention Float32 CODEC(LZ4),
    mos Nullable(Float32) CODEC(LZ4),
    alert_count UInt16 CODEC(LZ4),
    card String CODEC(LZ4),
    said String CODEC(ZSTD(1)),
    INDEX call_id_bloom call_id TYPE bloom_filter(0.005) GRANULARITY 8,
    INDEX words said TYPE text(tokenizer = 'splitByNonAlpha', preprocessor = lowerUTF8(said), support_phrase_search = 1),
    PROJECTION per_quarter
    (
        SELECT tenant, intDiv(newest_first, 900000), count(), count(duration_ms), sum(duration_ms), count(caller_sentiment),
            sum(caller_sentiment), count(mos), sum(mos), countIf(alert_count > 0)
        GROUP BY tenant, intDiv(newest_first, 900000)
    ),
    PROJECTION names (SELECT tenant, agent, queue, termination, count() GROUP BY tenant, agent, queue, termination)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(started_at)
ORDER BY (tenant, newest_first, call_id)
SETTINGS index_granularity = 512, min_age_to_force_merge_seconds = 86400, allow_experimental_text_index_phrase_search = 1,
    lightweight_mutation_projection_mode = 'rebuild';

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
