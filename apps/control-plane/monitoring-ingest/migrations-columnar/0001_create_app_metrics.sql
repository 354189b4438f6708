-- One row per replica and sampling time. `measured` says which values there are: 1 CPU, 2 memory used, 4 memory total,
-- 8 requests. `batch` names the message that the row came in: one that comes again is known by it.
CREATE TABLE IF NOT EXISTS ${local:app_metrics} ${on_cluster} (
  ts DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  received_ts DateTime('UTC') CODEC(Delta, ZSTD(1)),
  environment LowCardinality(String),
  app LowCardinality(String),
  fabric_id LowCardinality(String),
  replica LowCardinality(String),
  batch UInt64 CODEC(ZSTD(1)),
  measured UInt8 CODEC(ZSTD(1)),
  interval_ms UInt32 CODEC(ZSTD(1)),
  cpu_millicores Float32 CODEC(Gorilla, ZSTD(1)),
  memory_used UInt64 CODEC(Delta, ZSTD(1)),
  memory_total UInt64 CODEC(Delta, ZSTD(1)),
  messages UInt64 CODEC(Delta, ZSTD(1)),
  response_ms_sum Float64 CODEC(Gorilla, ZSTD(1)),
  response_count UInt64 CODEC(Delta, ZSTD(1)),
  errors UInt64 CODEC(Delta, ZSTD(1))
) ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (environment, app, fabric_id, replica, ts)
TTL toDateTime(ts) + INTERVAL 30 DAY DELETE
-- An app's hour is some hundreds of rows: whoever asks for it reads no eight thousand of each part.
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS ${local:app_metrics_5m} ${on_cluster} (
  ts DateTime('UTC') CODEC(Delta, ZSTD(1)),
  environment LowCardinality(String),
  app LowCardinality(String),
  fabric_id LowCardinality(String),
  replica LowCardinality(String),
  last_ts SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
  cpu_millicores_sum SimpleAggregateFunction(sum, Float64),
  cpu_samples SimpleAggregateFunction(sum, UInt64),
  memory_used_sum SimpleAggregateFunction(sum, Float64),
  memory_samples SimpleAggregateFunction(sum, UInt64),
  memory_total SimpleAggregateFunction(max, UInt64),
  messages SimpleAggregateFunction(sum, UInt64),
  response_ms_sum SimpleAggregateFunction(sum, Float64),
  response_count SimpleAggregateFunction(sum, UInt64),
  errors SimpleAggregateFunction(sum, UInt64)
) ENGINE = ${engine:AggregatingMergeTree}
PARTITION BY toYYYYMM(ts)
ORDER BY (environment, app, fabric_id, replica, ts)
TTL toDateTime(ts) + INTERVAL 400 DAY DELETE
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS ${local:app_metrics_to_5m} ${on_cluster} TO ${local:app_metrics_5m}
AS SELECT
  toStartOfFiveMinutes(toDateTime(sample.ts, 'UTC')) AS ts, environment, app, fabric_id, replica,
  max(sample.ts) AS last_ts,
  sumIf(toFloat64(cpu_millicores), bitAnd(measured, 1) != 0) AS cpu_millicores_sum,
  countIf(bitAnd(measured, 1) != 0) AS cpu_samples,
  sumIf(toFloat64(memory_used), bitAnd(measured, 2) != 0) AS memory_used_sum,
  countIf(bitAnd(measured, 2) != 0) AS memory_samples,
  max(sample.memory_total) AS memory_total,
  sum(sample.messages) AS messages,
  sum(sample.response_ms_sum) AS response_ms_sum,
  sum(sample.response_count) AS response_count,
  sum(sample.errors) AS errors
FROM ${local:app_metrics} AS sample
GROUP BY ts, environment, app, fabric_id, replica;

-- Where the cumulative counters of collectors stood: what they have counted since is the next value minus this.
CREATE TABLE IF NOT EXISTS ${local:counter_baseline} ${on_cluster} (
  fabric_id LowCardinality(String),
  series String,
  start_ts DateTime64(3, 'UTC'),
  ts DateTime64(3, 'UTC'),
  value Float64,
  samples Float64
) ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (fabric_id, series, ts)
TTL toDateTime(ts) + INTERVAL 3 DAY DELETE
SETTINGS ttl_only_drop_parts = 1, ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1;

${distributed:app_metrics:cityHash64(environment, app)};

${distributed:app_metrics_5m:cityHash64(environment, app)};

${distributed:counter_baseline:cityHash64(fabric_id, series)};
