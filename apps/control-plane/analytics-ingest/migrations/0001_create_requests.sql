-- One row for each request of a tracked resource that a gateway reported (ANA 2). Always sum(weight), never count(): under
-- pressure a row stands for several requests. Parts are merged by tens, not by fives as usual: merging costs more than inserting.
CREATE TABLE IF NOT EXISTS ${local:requests} ${on_cluster} (
  -- Received by the gateway; the service clamps it to [received_at - 7 d, received_at + 5 min].
  -- Every question reads it: T64 is 0.7 bytes more than ZSTD of differences, and half the time.
  ts DateTime64(3, 'UTC') CODEC(T64, LZ4),
  -- Acknowledged to the gateway.
  received_at DateTime('UTC') CODEC(T64, LZ4),
  fabric_id LowCardinality(String),
  environment LowCardinality(String),
  api_id LowCardinality(String),
  api LowCardinality(String),
  api_version LowCardinality(String),
  app LowCardinality(String),
  replica LowCardinality(String),
  application LowCardinality(String),
  -- (fabric_id, gateway, epoch, sequence) names the batch that it came with.
  gateway LowCardinality(String),
  epoch UInt64 CODEC(Delta, ZSTD(1)),
  sequence UInt64 CODEC(Delta, ZSTD(1)),
  resource_path LowCardinality(String),
  verb LowCardinality(String),
  -- 0: the client left before there was an answer.
  status_code UInt16 CODEC(T64, LZ4),
  -- Number of drawbridge.analytics.v1.Disposition.
  disposition UInt8 CODEC(T64, LZ4),
  -- The policy that refused the request or failed; '' for none.
  policy_id LowCardinality(String),
  policy LowCardinality(String),
  -- Its name where it refused the request.
  violated_policy LowCardinality(String),
  latency_us UInt32 CODEC(T64, LZ4),
  upstream_us UInt32 CODEC(T64, LZ4),
  request_bytes UInt32 CODEC(T64, LZ4),
  response_bytes UInt32 CODEC(T64, LZ4),
  weight UInt16 CODEC(T64, LZ4),
  -- IPv4 as ::ffff:a.b.c.d; :: for "not told"; in fd00::/8 a hash.
  client_ip IPv6 CODEC(ZSTD(1)),
  continent LowCardinality(String),
  country LowCardinality(String),
  city LowCardinality(String),
  postal_code LowCardinality(String),
  timezone LowCardinality(String),
  browser LowCardinality(String),
  user_agent_type LowCardinality(String),
  user_agent_version LowCardinality(String),
  hardware_platform LowCardinality(String),
  os_family LowCardinality(String),
  os_major_version LowCardinality(String),
  os_minor_version LowCardinality(String),
  os_version LowCardinality(String)
) ENGINE = ${engine:MergeTree} PARTITION BY toYYYYMMDD(ts) ORDER BY (environment, api, ts)
TTL toDateTime(ts) + INTERVAL 90 DAY DELETE
SETTINGS ttl_only_drop_parts = 1, ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;
${distributed:requests:rand()};

-- Which batches are in `requests`: from here the service knows a batch that comes twice. Bit n of `mask` is the batch
-- 64 * word + n.
CREATE TABLE IF NOT EXISTS ${local:request_batches} ${on_cluster} (
  fabric_id LowCardinality(String),
  gateway LowCardinality(String),
  epoch UInt64,
  day Date,
  word UInt64,
  mask SimpleAggregateFunction(groupBitOr, UInt64),
  requests SimpleAggregateFunction(sum, UInt64),
  last_received_at SimpleAggregateFunction(max, DateTime('UTC'))
) ENGINE = ${engine:AggregatingMergeTree} PARTITION BY toYYYYMM(day) ORDER BY (fabric_id, gateway, epoch, day, word)
TTL toDateTime(day) + INTERVAL 400 DAY DELETE
SETTINGS ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;
${distributed:request_batches:rand()};

CREATE MATERIALIZED VIEW IF NOT EXISTS ${local:requests_to_request_batches} ${on_cluster} TO ${local:request_batches} AS
SELECT fabric_id, gateway, epoch, toDate(received_at) AS day, intDiv(sequence, 64) AS word,
  groupBitOr(bitShiftLeft(toUInt64(1), sequence % 64)) AS mask,
  sum(toUInt64(weight)) AS requests,
  max(received_at) AS last_received_at
FROM ${local:requests} GROUP BY fabric_id, gateway, epoch, day, word;

-- What gateways counted but could not keep. Read it with FINAL, or by the sorting key: a line may stand twice until merged.
CREATE TABLE IF NOT EXISTS ${local:request_gaps} ${on_cluster} (
  fabric_id LowCardinality(String),
  gateway LowCardinality(String),
  epoch UInt64,
  -- The batch that told of it, and which of its gaps it is.
  sequence UInt64,
  ordinal UInt8,
  requests UInt64,
  from_ts DateTime64(3, 'UTC'),
  to_ts DateTime64(3, 'UTC'),
  -- Number of drawbridge.analytics.v1.GapReason.
  reason UInt8,
  received_at DateTime('UTC')
) ENGINE = ${engine:ReplacingMergeTree} PARTITION BY toYYYYMM(received_at) ORDER BY (fabric_id, gateway, epoch, sequence, ordinal)
TTL toDateTime(received_at) + INTERVAL 400 DAY DELETE
SETTINGS ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;
${distributed:request_gaps:cityHash64(fabric_id, gateway)};
