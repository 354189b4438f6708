-- What captures took of requests and answers, redacted by the gateway before it left its fabric (META 4). The same exchange may
-- stand twice until merged: read it with LIMIT 1 BY fabric_id, exchange_id.
CREATE TABLE IF NOT EXISTS ${local:insight_exchanges} ${on_cluster} (
  environment LowCardinality(String),
  capture_id String,
  -- Of the token that it came with.
  fabric_id LowCardinality(String),
  -- Made by the gateway, the same however often it is sent.
  exchange_id String,
  -- Received by the gateway; the service clamps it to [received_at - 1 d, received_at + 5 min].
  ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  received_at DateTime('UTC') CODEC(Delta, ZSTD(1)),
  size_bytes UInt32 CODEC(ZSTD(1)),
  -- drawbridge.insight.v1.CapturedExchange, in base64: whatever bytes a body has, this is text for every format.
  exchange String CODEC(ZSTD(3))
) ENGINE = ${engine:ReplacingMergeTree} PARTITION BY toYYYYMMDD(received_at) ORDER BY (environment, capture_id, fabric_id, exchange_id)
TTL toDateTime(received_at) + INTERVAL 7 DAY DELETE
SETTINGS ttl_only_drop_parts = 1, ${dedup_window:1000}, fsync_after_insert = 1, fsync_part_directory = 1;
${distributed:insight_exchanges:cityHash64(capture_id)};

-- Exchanges that met a capture and are not told, as gateways count them. A line may stand twice until merged: read it by the
-- sorting key.
CREATE TABLE IF NOT EXISTS ${local:insight_losses} ${on_cluster} (
  capture_id String,
  fabric_id LowCardinality(String),
  -- Of the token that it came with, with commas between them: a line counts for a capture in one of these, and nowhere else.
  environments LowCardinality(String),
  batch_id String,
  -- Number of drawbridge.insight.v1.CaptureLossReason.
  reason UInt8,
  exchanges UInt64,
  received_at DateTime('UTC') CODEC(Delta, ZSTD(1))
) ENGINE = ${engine:ReplacingMergeTree} PARTITION BY toYYYYMMDD(received_at) ORDER BY (capture_id, fabric_id, batch_id, reason)
TTL toDateTime(received_at) + INTERVAL 7 DAY DELETE
SETTINGS ttl_only_drop_parts = 1, ${dedup_window:1000}, fsync_after_insert = 1, fsync_part_directory = 1;
${distributed:insight_losses:cityHash64(capture_id)};
