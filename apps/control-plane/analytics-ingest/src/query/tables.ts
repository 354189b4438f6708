import { identifiers, sql, type Sql } from "@drawbridge/columnar";
import { type RollUpName, rollUpNames } from "../write/roll-ups/roll-up-names.ts";
import { type Dimension, keyOfParts, keyOfRequests } from "./dimensions.ts";
import { latencyState, type Sum } from "./measures.ts";

/** A table that questions can be answered from. `migrations/` has them. */
export interface Table {
  readonly name: "requests" | RollUpName;
  readonly from: Sql;
  /** When a row was: a request's instant, or the begin of the time that a row of a roll-up is of. */
  readonly at: Sql;
  /** What a dimension is there; a roll-up has not all of them. */
  readonly keyOf: (dimension: Dimension) => Sql;
  readonly sums: Readonly<Partial<Record<Sum, Sql>>>;
}

export interface RollUp extends Table {
  /** Time that one row is of. */
  readonly grainMs: number;
  readonly dimensions: ReadonlySet<Dimension>;
}

const rollUpTable = identifiers(rollUpNames);

/** Single requests: every question can be answered from them, as long as they are kept. */
export const requestsTable: Table = {
  name: "requests",
  from: sql`requests`,
  at: sql`ts`,
  keyOf: keyOfRequests,
  sums: {
    requests: sql`sum(weight)`,
    client_errors: sql`sumIf(weight, intDiv(status_code, 100) = 4)`,
    server_errors: sql`sumIf(weight, intDiv(status_code, 100) = 5 OR disposition = 4)`,
    violations: sql`sumIf(weight, disposition = 2)`,
    latency_us: sql`sum(toUInt64(latency_us) * weight)`,
    latency_max_us: sql`max(latency_us)`,
    latency: latencyState(sql`bitShiftRight(reinterpretAsUInt32(toFloat32(latency_us)), 18)`, sql`weight`),
    upstream_us: sql`sum(toUInt64(upstream_us) * weight)`,
    request_bytes: sql`sum(toUInt64(request_bytes) * weight)`,
    response_bytes: sql`sum(toUInt64(response_bytes) * weight)`,
    clients: sql`uniqIfState(client_ip, client_ip != toIPv6('::'))`,
  },
};

const requests = sql`sum(requests)`;
const latencySum = sql`sum(latency_us_sum)`;
const clientErrors = sql`sumIf(requests, status_class = '4xx')`;
/** They need the disposition, which not every roll-up has: an answer that broke off has the status that it began with. */
const failures = {
  server_errors: sql`sumIf(requests, status_class = '5xx' OR disposition = 4)`,
  violations: sql`sumIf(requests, disposition = 2)`,
};
const quarterHourMs = 15 * 60_000;
const hourMs = 60 * 60_000;

/** Those with the least rows first: the first that fits is taken. */
export const rollUps: readonly RollUp[] = [
  rollUp("api_traffic_15m", quarterHourMs, {
    dimensions: ["api", "api_version", "app", "fabric_id", "status_class", "disposition", "violated_policy"],
    sums: {
      ...failures,
      latency_us: latencySum,
      latency_max_us: sql`max(latency_us_max)`,
      upstream_us: sql`sum(upstream_us_sum)`,
      request_bytes: sql`sum(request_bytes_sum)`,
      response_bytes: sql`sum(response_bytes_sum)`,
    },
  }),
  rollUp("latency_30m", 2 * quarterHourMs, {
    dimensions: ["api", "api_version", "app", "fabric_id", "status_class"],
    sums: { latency: latencyState(sql`latency_step`, sql`requests`) },
  }),
  rollUp("application_traffic_1h", hourMs, {
    dimensions: ["api", "application", "status_class", "disposition"],
    sums: {
      ...failures,
      latency_us: latencySum,
      latency_max_us: sql`max(latency_us_max)`,
      request_bytes: sql`sum(request_bytes_sum)`,
      response_bytes: sql`sum(response_bytes_sum)`,
    },
  }),
  rollUp("geography_traffic_1h", hourMs, {
    dimensions: ["api", "continent", "country", "city", "status_class"],
    sums: { latency_us: latencySum },
  }),
  rollUp("user_agent_traffic_1h", hourMs, {
    dimensions: ["api", "browser", "user_agent_type", "hardware_platform", "os_family", "status_class"],
    sums: { latency_us: latencySum },
  }),
];

function rollUp(
  name: RollUpName,
  grainMs: number,
  has: { readonly dimensions: readonly Dimension[]; readonly sums: Table["sums"] },
): RollUp {
  return {
    name,
    from: rollUpTable(name),
    at: sql`bucket`,
    keyOf: keyOfParts,
    grainMs,
    dimensions: new Set([...has.dimensions, "environment"]),
    sums: { requests, client_errors: clientErrors, ...has.sums },
  };
}
