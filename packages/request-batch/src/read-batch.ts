import {
  RequestBatch,
  type Gap,
  type ReportedApi,
  type ReportedPolicy,
} from "@drawbridge/contracts/analytics/v1/request_batch";
import { DrawbridgeError } from "@drawbridge/errors";
import { addressLength } from "./client-address.ts";
import { columnOf, largestIn, type Column } from "./column.ts";
import { batchLimits } from "./limits.ts";
import { noStrings, splitStrings, type StringTable } from "./split-strings.ts";

/**
 * A batch whose columns are all of `rows` values and point only to what is there. Texts and columns are made when they are asked
 * for, so that who only wants to know whether it is good pays for no more.
 */
export interface ReadBatch {
  readonly gatewayId: string;
  readonly epoch: bigint;
  readonly sequence: bigint;
  readonly rows: number;
  readonly baseTimeMs: number;
  /** The first is empty. */
  readonly strings: StringTable;
  /** `addressLength` bytes each. */
  readonly addresses: Uint8Array;
  readonly apis: readonly ReportedApi[];
  readonly policies: readonly ReportedPolicy[];
  readonly columns: Readonly<Record<ColumnName, Column>>;
  readonly gaps: readonly Gap[];
}

const plainColumns = [
  "timeOffsetMs",
  "status",
  "disposition",
  "latencyUs",
  "upstreamUs",
  "requestBytes",
  "responseBytes",
  "weight",
] as const;
const stringColumns = ["application", "resourcePath", "verb", "userAgent", "replica"] as const;

type ColumnName = (typeof plainColumns)[number] | (typeof stringColumns)[number] | "api" | "policy" | "clientAddress";

/** Values are below it. Largest number of a disposition: request_batch.proto. */
const plainLimits: Readonly<Partial<Record<ColumnName, number>>> = {
  status: 1000,
  disposition: 4 + 1,
  weight: 2 ** 16,
};
const gatewayIdPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** 9999-12-31, the last day that stores and people's programs know. */
const latestTimeMs = 253_402_300_799_999n;

/**
 * Checks everything that a reader of a batch relies on. Whether it may be told by whoever sent it is not its question.
 *
 * @throws DrawbridgeError `ANALYTICS_BATCH_INVALID` (invalid_argument), which names the field
 */
export function readBatch(bytes: Uint8Array): ReadBatch {
  if (bytes.length > batchLimits.bytes) throw invalid("the batch", `is larger than ${batchLimits.bytes} bytes`);
  const { batch, strings } = decode(bytes);
  const { rows } = batch;
  if (!gatewayIdPattern.test(batch.gatewayId))
    throw invalid("gateway_id", "is not a name of 1 to 63 of a-z, 0-9 and -");
  if (batch.sequence === 0n) throw invalid("sequence", "is missing: it counts from 1");
  if (rows > batchLimits.rows) throw invalid("rows", `is more than ${batchLimits.rows}`);
  if (rows === 0 && batch.gaps.length === 0) throw invalid("rows", "is missing: the batch tells of nothing");
  if (batch.baseTimeMs > latestTimeMs) throw invalid("base_time_ms", "is not a time in milliseconds since the epoch");
  checkTables(batch, strings);
  const addresses = batch.addresses.length === 0 ? new Uint8Array(addressLength) : batch.addresses;
  checkColumns(batch, { strings: strings.length, addresses: addresses.length / addressLength });
  let columns: ReadBatch["columns"] | undefined;
  return {
    gatewayId: batch.gatewayId,
    epoch: batch.epoch,
    sequence: batch.sequence,
    rows,
    baseTimeMs: Number(batch.baseTimeMs),
    strings: strings.length === 0 ? noStrings : strings,
    addresses,
    apis: batch.apis,
    policies: batch.policies.length === 0 ? [{ policyId: "", name: "" }] : batch.policies,
    get columns() {
      return (columns ??= readColumns(batch));
    },
    gaps: batch.gaps,
  };
}

function decode(bytes: Uint8Array): { readonly batch: RequestBatch; readonly strings: StringTable } {
  const split = splitStrings(bytes);
  if (split === undefined) throw notABatch();
  try {
    return { batch: RequestBatch.decode(split.rest), strings: split.strings };
  } catch (cause) {
    throw notABatch(cause);
  }
}

function notABatch(cause?: unknown): DrawbridgeError {
  return invalid("the batch", "is not a RequestBatch (drawbridge/analytics/v1/request_batch.proto)", cause);
}

function checkTables(batch: RequestBatch, strings: StringTable): void {
  const tables = { strings, apis: batch.apis, policies: batch.policies };
  for (const [name, table] of Object.entries(tables)) {
    if (table.length > batchLimits.tableEntries)
      throw invalid(name, `has more than ${batchLimits.tableEntries} entries`);
  }
  if (batch.gaps.length > batchLimits.gaps) throw invalid("gaps", `has more than ${batchLimits.gaps} entries`);
  if (batch.apis.length === 0 && batch.rows > 0) throw invalid("apis", "is empty: every request is one of an API");
  if (strings.length > 0 && strings.byteLengthOf(0) > 0) throw invalid("strings", "does not begin with the empty one");
  if ((batch.policies[0]?.policyId ?? "") !== "") throw invalid("policies", "does not begin with the empty one");
  if (batch.addresses.length % addressLength !== 0)
    throw invalid("addresses", `is not a multiple of ${addressLength} bytes`);
  if (batch.addresses.subarray(0, addressLength).some((byte) => byte !== 0))
    throw invalid("addresses", "does not begin with ::");
  for (let at = 0; at < strings.length; at += 1) {
    // Bytes are as many as UTF-16 has units, or more.
    if (strings.byteLengthOf(at) > batchLimits.stringLength) checkTexts("strings", [strings.textOf(at)]);
  }
  checkTexts(
    "apis",
    batch.apis.flatMap(({ apiId, name, version, environment, app }) => [apiId, name, version, environment, app]),
  );
  checkTexts(
    "policies",
    batch.policies.flatMap(({ policyId, name }) => [policyId, name]),
  );
}

function checkTexts(field: string, texts: readonly string[]): void {
  if (texts.some((text) => text.length > batchLimits.stringLength)) {
    throw invalid(field, `has a text of more than ${batchLimits.stringLength} characters`);
  }
}

function checkColumns(batch: RequestBatch, counts: { readonly strings: number; readonly addresses: number }): void {
  const check = (name: ColumnName, limit?: number): void => checkColumn(name, batch[name], { rows: batch.rows, limit });
  for (const name of plainColumns) check(name, plainLimits[name]);
  for (const name of stringColumns) check(name, Math.max(counts.strings, 1));
  check("api", Math.max(batch.apis.length, 1));
  check("policy", Math.max(batch.policies.length, 1));
  check("clientAddress", counts.addresses);
}

/** @param at.limit values are below it */
function checkColumn(name: ColumnName, bytes: Uint8Array, at: { rows: number; limit: number | undefined }): void {
  if (bytes.length === 0) return;
  const width = bytes.length / at.rows;
  if (width !== 1 && width !== 2 && width !== 4)
    throw invalid(fieldOf(name), `is ${bytes.length} bytes: not ${at.rows} values of 1, 2 or 4 bytes`);
  if (at.limit !== undefined && largestIn(bytes, width) >= at.limit)
    throw invalid(fieldOf(name), `has a value above ${at.limit - 1}`);
}

function fieldOf(name: ColumnName): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function readColumns(batch: RequestBatch): ReadBatch["columns"] {
  const { rows } = batch;
  return {
    timeOffsetMs: columnOf(batch.timeOffsetMs, rows),
    api: columnOf(batch.api, rows),
    application: columnOf(batch.application, rows),
    resourcePath: columnOf(batch.resourcePath, rows),
    verb: columnOf(batch.verb, rows),
    status: columnOf(batch.status, rows),
    disposition: columnOf(batch.disposition, rows),
    policy: columnOf(batch.policy, rows),
    latencyUs: columnOf(batch.latencyUs, rows),
    upstreamUs: columnOf(batch.upstreamUs, rows),
    requestBytes: columnOf(batch.requestBytes, rows),
    responseBytes: columnOf(batch.responseBytes, rows),
    clientAddress: columnOf(batch.clientAddress, rows),
    userAgent: columnOf(batch.userAgent, rows),
    replica: columnOf(batch.replica, rows),
    weight: columnOf(batch.weight, rows),
  };
}

function invalid(what: string, why: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "ANALYTICS_BATCH_INVALID",
    message: `${what} ${why}`,
    details: { field: what },
    cause,
  });
}
