-- Narrow tables, one per kind of fact, so that events of different topics never overwrite each other.
-- version is the event's time in Unix ms: the newest of a key stays, and the same event written twice changes nothing.
CREATE TABLE IF NOT EXISTS sentiments
(
    tenant LowCardinality(String),
    call_id String CODEC(ZSTD(1)),
    segment_id String CODEC(ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1)),
    leg UInt16 CODEC(ZSTD(1)),
    start_ms UInt32 CODEC(Delta, ZSTD(1)),
    score Float32 CODEC(ZSTD(1)),
    trend Float32 CODEC(ZSTD(1)),
    analyser LowCardinality(String),
    analyser_version LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, call_id, segment_id);

CREATE TABLE IF NOT EXISTS line_quality
(
    tenant LowCardinality(String),
    call_id String CODEC(ZSTD(1)),
    leg UInt16 CODEC(ZSTD(1)),
    from_ms UInt32 CODEC(Delta, ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1)),
    to_ms UInt32 CODEC(Delta, ZSTD(1)),
    packets_expected UInt32 CODEC(ZSTD(1)),
    packets_received UInt32 CODEC(ZSTD(1)),
    packets_lost UInt32 CODEC(ZSTD(1)),
    packets_late UInt32 CODEC(ZSTD(1)),
    packets_duplicate UInt32 CODEC(ZSTD(1)),
    packets_reordered UInt32 CODEC(ZSTD(1)),
    jitter_ms Float32 CODEC(ZSTD(1)),
    burst_ratio Float32 CODEC(ZSTD(1)),
    drift_ppm Float32 CODEC(ZSTD(1)),
    r_factor Float32 CODEC(ZSTD(1)),
    mos Float32 CODEC(ZSTD(1)),
    delay_ms Float32 CODEC(ZSTD(1)),
    codec LowCardinality(String),
    silent UInt8 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, call_id, leg, from_ms);

-- metrics: the JSON object of the API's conversation; one row per call, the newest stays.
CREATE TABLE IF NOT EXISTS conversations
(
    tenant LowCardinality(String),
    call_id String CODEC(ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1)),
    final UInt8,
    talk_ratio Nullable(Float32) CODEC(ZSTD(1)),
    metrics String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, call_id);

CREATE TABLE IF NOT EXISTS attentions
(
    tenant LowCardinality(String),
    call_id String CODEC(ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1)),
    score Float32 CODEC(ZSTD(1)),
    reasons String CODEC(ZSTD(1)),
    scorer_version LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, call_id);

CREATE TABLE IF NOT EXISTS alerts
(
    tenant LowCardinality(String),
    call_id String CODEC(ZSTD(1)),
    alert_id String CODEC(ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1)),
    rule_id String CODEC(ZSTD(1)),
    rule_name String CODEC(ZSTD(1)),
    kind LowCardinality(String),
    phrase String CODEC(ZSTD(1)),
    severity LowCardinality(String),
    at_ms UInt32 CODEC(ZSTD(1)),
    leg UInt16 CODEC(ZSTD(1)),
    evidence String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, call_id, alert_id);

CREATE TABLE IF NOT EXISTS recordings
(
    tenant LowCardinality(String),
    call_id String CODEC(ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1)),
    object_key String CODEC(ZSTD(1)),
    bytes UInt32 CODEC(ZSTD(1)),
    duration_ms UInt32 CODEC(ZSTD(1)),
    sample_rate UInt32 CODEC(ZSTD(1)),
    channels UInt8,
    sha256 String CODEC(ZSTD(1)),
    peaks Array(String) CODEC(ZSTD(1)),
    peak_ms UInt32 CODEC(ZSTD(1)),
    channel_legs Array(UInt16) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, call_id);

-- What each stage said: the newest row per outcome stays, so that the start of a stage survives its end.
CREATE TABLE IF NOT EXISTS ledger
(
    tenant LowCardinality(String),
    call_id String CODEC(ZSTD(1)),
    stage LowCardinality(String),
    outcome LowCardinality(String),
    version UInt64 CODEC(Delta, ZSTD(1)),
    stage_started_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    detail String CODEC(ZSTD(1)),
    remedy String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, call_id, stage, outcome);

-- That a key was pressed, and when; never which one (it may be a card number).
CREATE TABLE IF NOT EXISTS key_presses
(
    tenant LowCardinality(String),
    call_id String CODEC(ZSTD(1)),
    leg UInt16 CODEC(ZSTD(1)),
    position_ms UInt32 CODEC(Delta, ZSTD(1)),
    version UInt64 CODEC(Delta, ZSTD(1)),
    duration_ms UInt32 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, call_id, leg, position_ms);
