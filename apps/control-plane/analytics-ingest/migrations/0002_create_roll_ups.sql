-- Roll-ups of `requests`, kept longer than the rows. analytics-ingest adds them up itself, block by block, and inserts them behind
-- the rows under names of their own (src/write/roll-ups). Sums are weighted. Quarter hours and half hours, because zones such as
-- +05:45 and +05:30 begin their days between hours; those by hour fit only zones whose offset is whole hours.
CREATE TABLE IF NOT EXISTS ${local:api_traffic_15m} ${on_cluster} (
  environment LowCardinality(String),
  api LowCardinality(String),
  bucket DateTime('UTC') CODEC(Delta, LZ4),
  api_version LowCardinality(String),
  app LowCardinality(String),
  fabric_id LowCardinality(String),
  -- '1xx' to '5xx', 'none' where the client left before an answer.
  status_class LowCardinality(String),
  disposition UInt8,
  violated_policy LowCardinality(String),
  requests SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
  latency_us_sum SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
  latency_us_max SimpleAggregateFunction(max, UInt32) CODEC(T64, LZ4),
  upstream_us_sum SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
  request_bytes_sum SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
  response_bytes_sum SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4)
) ENGINE = ${engine:AggregatingMergeTree} PARTITION BY toYYYYMM(bucket)
ORDER BY (environment, api, bucket, status_class, disposition, violated_policy, api_version, app, fabric_id)
TTL toDateTime(bucket) + INTERVAL 400 DAY DELETE
SETTINGS ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;
${distributed:api_traffic_15m:rand()};

-- How many requests took how long: what percentiles are estimated from. `latency_step` is the first 14 bits (sign, exponent and five
-- of the fraction) of the microseconds as a Float32: steps of 3.1 % at most.
CREATE TABLE IF NOT EXISTS ${local:latency_30m} ${on_cluster} (
  environment LowCardinality(String),
  api LowCardinality(String),
  bucket DateTime('UTC') CODEC(Delta, LZ4),
  api_version LowCardinality(String),
  app LowCardinality(String),
  fabric_id LowCardinality(String),
  -- '1xx' to '5xx', 'none' where the client left before an answer.
  status_class LowCardinality(String),
  latency_step UInt16 CODEC(Delta, LZ4),
  requests SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4)
) ENGINE = ${engine:AggregatingMergeTree} PARTITION BY toYYYYMM(bucket)
ORDER BY (environment, api, bucket, status_class, api_version, app, fabric_id, latency_step)
TTL toDateTime(bucket) + INTERVAL 400 DAY DELETE
SETTINGS ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;
${distributed:latency_30m:rand()};

-- By client application.
CREATE TABLE IF NOT EXISTS ${local:application_traffic_1h} ${on_cluster} (
  environment LowCardinality(String),
  api LowCardinality(String),
  bucket DateTime('UTC') CODEC(Delta, LZ4),
  application LowCardinality(String),
  status_class LowCardinality(String),
  disposition UInt8,
  requests SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
  latency_us_sum SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
  latency_us_max SimpleAggregateFunction(max, UInt32) CODEC(T64, LZ4),
  request_bytes_sum SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
  response_bytes_sum SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4)
) ENGINE = ${engine:AggregatingMergeTree} PARTITION BY toYYYYMM(bucket)
ORDER BY (environment, api, bucket, application, status_class, disposition)
TTL toDateTime(bucket) + INTERVAL 400 DAY DELETE
SETTINGS ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;
${distributed:application_traffic_1h:rand()};

-- By place of the client.
CREATE TABLE IF NOT EXISTS ${local:geography_traffic_1h} ${on_cluster} (
  environment LowCardinality(String),
  api LowCardinality(String),
  bucket DateTime('UTC') CODEC(Delta, LZ4),
  continent LowCardinality(String),
  country LowCardinality(String),
  city LowCardinality(String),
  status_class LowCardinality(String),
  requests SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
  latency_us_sum SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4)
) ENGINE = ${engine:AggregatingMergeTree} PARTITION BY toYYYYMM(bucket)
ORDER BY (environment, api, bucket, continent, country, city, status_class)
TTL toDateTime(bucket) + INTERVAL 400 DAY DELETE
SETTINGS ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;
${distributed:geography_traffic_1h:rand()};

-- By what the client is.
CREATE TABLE IF NOT EXISTS ${local:user_agent_traffic_1h} ${on_cluster} (
  environment LowCardinality(String),
  api LowCardinality(String),
  bucket DateTime('UTC') CODEC(Delta, LZ4),
  browser LowCardinality(String),
  user_agent_type LowCardinality(String),
  hardware_platform LowCardinality(String),
  os_family LowCardinality(String),
  status_class LowCardinality(String),
  requests SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
  latency_us_sum SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4)
) ENGINE = ${engine:AggregatingMergeTree} PARTITION BY toYYYYMM(bucket)
ORDER BY (environment, api, bucket, user_agent_type, browser, hardware_platform, os_family, status_class)
TTL toDateTime(bucket) + INTERVAL 400 DAY DELETE
SETTINGS ${dedup_window:10000}, fsync_after_insert = 1, fsync_part_directory = 1, merge_selector_base = 10;
${distributed:user_agent_traffic_1h:rand()};
