import { listOf, type Row, sql, type Sql } from "@drawbridge/columnar";
import type { RequestRecord } from "@drawbridge/contracts/analytics/v1/analytics_service";
import { addressText, dispositionText } from "./dimensions.ts";
import { numberOf, textOf } from "./rows.ts";

/** Of a single request, for `recordFromRow`; with the name of its batch. */
export const recordColumns: Sql = listOf([
  sql`toUnixTimestamp64Milli(ts) AS ms`,
  sql`environment, api, api_version, application, verb, resource_path, status_code, disposition, violated_policy`,
  sql`latency_us, upstream_us, request_bytes, response_bytes, ${addressText(sql`client_ip`)} AS address`,
  sql`continent, country, city, postal_code, timezone, browser, user_agent_type, user_agent_version, hardware_platform`,
  sql`os_family, os_major_version, os_minor_version, os_version, app, replica, gateway, fabric_id, weight, epoch, sequence`,
]);

export function recordFromRow(row: Row): RequestRecord {
  return {
    time: new Date(numberOf(row, "ms")),
    environment: textOf(row, "environment"),
    api: textOf(row, "api"),
    apiVersion: textOf(row, "api_version"),
    application: textOf(row, "application"),
    verb: textOf(row, "verb"),
    resourcePath: textOf(row, "resource_path"),
    statusCode: numberOf(row, "status_code"),
    // The column holds the contract's numbers.
    disposition: numberOf(row, "disposition") as RequestRecord["disposition"],
    violatedPolicy: textOf(row, "violated_policy"),
    latencyMs: numberOf(row, "latency_us") / 1_000,
    upstreamMs: numberOf(row, "upstream_us") / 1_000,
    requestBytes: numberOf(row, "request_bytes"),
    responseBytes: numberOf(row, "response_bytes"),
    clientIp: textOf(row, "address"),
    continent: textOf(row, "continent"),
    country: textOf(row, "country"),
    city: textOf(row, "city"),
    postalCode: textOf(row, "postal_code"),
    timezone: textOf(row, "timezone"),
    browser: textOf(row, "browser"),
    userAgentType: textOf(row, "user_agent_type"),
    userAgentVersion: textOf(row, "user_agent_version"),
    hardwarePlatform: textOf(row, "hardware_platform"),
    osFamily: textOf(row, "os_family"),
    osMajorVersion: textOf(row, "os_major_version"),
    osMinorVersion: textOf(row, "os_minor_version"),
    osVersion: textOf(row, "os_version"),
    app: textOf(row, "app"),
    replica: textOf(row, "replica"),
    gateway: textOf(row, "gateway"),
    fabricId: textOf(row, "fabric_id"),
    weight: numberOf(row, "weight"),
  };
}

/** What names the batch that a row came with. */
export function batchOf(row: Row): string {
  return JSON.stringify([
    textOf(row, "fabric_id"),
    textOf(row, "gateway"),
    String(row["epoch"]),
    String(row["sequence"]),
  ]);
}

/** Of a single request in a file: the names of the REST API. */
export const fileColumns: Sql = listOf([
  sql`ts AS time, environment, api, api_version AS apiVersion, application, verb, resource_path AS resourcePath`,
  sql`status_code AS statusCode, ${dispositionText(sql`disposition`)} AS disposition, violated_policy AS violatedPolicy`,
  sql`latency_us / 1000 AS latencyMs, upstream_us / 1000 AS upstreamMs, request_bytes AS requestBytes, response_bytes AS responseBytes`,
  sql`${addressText(sql`client_ip`)} AS clientIp, continent, country, city, postal_code AS postalCode, timezone`,
  sql`browser, user_agent_type AS userAgentType, user_agent_version AS userAgentVersion, hardware_platform AS hardwarePlatform`,
  sql`os_family AS osFamily, os_major_version AS osMajorVersion, os_minor_version AS osMinorVersion, os_version AS osVersion`,
  sql`app, replica, gateway, fabric_id AS fabricId, weight`,
]);
