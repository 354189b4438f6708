-- What apps tell of themselves: one row per replica, sampling time and figure. Of a counter or distribution what came since the
-- sample before. `batch` names the message that the row came in.
CREATE TABLE IF NOT EXISTS ${local:app_own_metrics} ${on_cluster} (
  ts DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
  received_ts DateTime('UTC') CODEC(Delta, ZSTD(1)),
  environment LowCardinality(String),
  app LowCardinality(String),
  fabric_id LowCardinality(String),
  metric LowCardinality(String),
  kind LowCardinality(String),
  method LowCardinality(String),
  status_class LowCardinality(String),
  replica LowCardinality(String),
  batch UInt64 CODEC(ZSTD(1)),
  value Float64 CODEC(Gorilla, ZSTD(1)),
  observations UInt64 CODEC(Delta, ZSTD(1))
) ENGINE = ${engine:MergeTree}
PARTITION BY toYYYYMMDD(ts)
ORDER BY (environment, app, fabric_id, metric, kind, method, status_class, replica, ts)
TTL toDateTime(ts) + INTERVAL 30 DAY DELETE
SETTINGS ttl_only_drop_parts = 1, ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1;

${distributed:app_own_metrics:cityHash64(environment, app)};
