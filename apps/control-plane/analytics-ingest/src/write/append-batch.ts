import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import { GeographyDetail } from "@drawbridge/contracts/apis/v1/configuration";
import { addressLength, type Column, type ReadBatch } from "@drawbridge/request-batch";
import { clampTimeMs } from "./clamp-time.ts";
import type { FactIds, PlaceDetail } from "./fact-ids.ts";
import type { NameColumn, RequestBlock } from "./request-block.ts";
import type { TextIds } from "./text-ids.ts";

/** A batch with what was noted when it was received. */
export interface ReceivedBatch {
  readonly batch: ReadBatch;
  readonly fabricId: string;
  readonly receivedAtMs: number;
}

const twoTo32 = 4_294_967_296;

/**
 * The rows of a batch, behind those that are in the block. Column by column and without an object for a row: what a table of the
 * batch names is looked up once, however many rows name it.
 */
export function appendBatch(
  block: RequestBlock,
  received: ReceivedBatch,
  factIds: FactIds,
): { readonly clampedTimes: number; readonly newestMs: number } {
  const { columns: to } = block;
  const { batch } = received;
  const { columns: from, rows, strings, apis, policies } = batch;
  to.fabric_id.pushSame(to.fabric_id.idOf(received.fabricId), rows);
  to.gateway.pushSame(to.gateway.idOf(batch.gatewayId), rows);
  to.epoch.pushAllHalves(halvesOf(batch.epoch, rows));
  to.sequence.pushAllHalves(halvesOf(batch.sequence, rows));
  pushNames(to.environment, from.api, { count: apis.length, at: (index) => apis[index]?.environment });
  pushNames(to.api_id, from.api, { count: apis.length, at: (index) => apis[index]?.apiId });
  pushNames(to.api, from.api, { count: apis.length, at: (index) => apis[index]?.name });
  pushNames(to.api_version, from.api, { count: apis.length, at: (index) => apis[index]?.version });
  pushNames(to.app, from.api, { count: apis.length, at: (index) => apis[index]?.app });
  const texts = factIds.textNumbers(strings);
  pushTexts(to.replica, from.replica, { texts, ids: factIds.nameIds.replica });
  pushTexts(to.application, from.application, { texts, ids: factIds.nameIds.application });
  pushTexts(to.resource_path, from.resourcePath, { texts, ids: factIds.nameIds.resource_path });
  pushTexts(to.verb, from.verb, { texts, ids: factIds.nameIds.verb });
  to.status_code.pushAll(new Uint16Array(from.status));
  to.disposition.pushAll(new Uint8Array(from.disposition));
  const policyNames: NameTable = { count: policies.length, at: (index) => policies[index]?.name };
  pushNames(to.policy_id, from.policy, { count: policies.length, at: (index) => policies[index]?.policyId });
  pushNames(to.policy, from.policy, policyNames);
  pushNames(to.violated_policy, violatedPolicies(from.policy, from.disposition), policyNames);
  to.latency_us.pushAll(new Uint32Array(from.latencyUs));
  to.upstream_us.pushAll(new Uint32Array(from.upstreamUs));
  to.request_bytes.pushAll(new Uint32Array(from.requestBytes));
  to.response_bytes.pushAll(new Uint32Array(from.responseBytes));
  // Zero is what an empty column holds: each row stands for itself.
  to.weight.pushAll(new Uint16Array(from.weight).map((weight) => (weight === 0 ? 1 : weight)));
  to.client_ip.pushChosen(batch.addresses, from.clientAddress);
  factIds.pushPlaces(placesOf(batch, factIds));
  factIds.pushUserAgents(numbersOf(from.userAgent, texts.length, (index) => factIds.userAgentRow(texts[index] ?? 0)));
  return pushTimes(block, received);
}

function pushTimes(
  { columns: to }: RequestBlock,
  { batch, receivedAtMs }: ReceivedBatch,
): { readonly clampedTimes: number; readonly newestMs: number } {
  const { rows, baseTimeMs, columns: from } = batch;
  let clampedTimes = 0;
  let newestMs = 0;
  const halves = new Uint32Array(rows * 2);
  for (let row = 0; row < rows; row += 1) {
    const toldMs = baseTimeMs + (from.timeOffsetMs[row] ?? 0);
    const timeMs = clampTimeMs(toldMs, receivedAtMs);
    if (timeMs !== toldMs) clampedTimes += 1;
    if (timeMs > newestMs) newestMs = timeMs;
    halves[2 * row] = timeMs >>> 0;
    halves[2 * row + 1] = Math.floor(timeMs / twoTo32);
  }
  to.ts.pushAllHalves(halves);
  to.received_at.pushAll(new Uint32Array(rows).fill(Math.floor(receivedAtMs / 1000)));
  return { clampedTimes, newestMs };
}

function violatedPolicies(policies: Column, dispositions: Column): Column {
  const violated = new Uint32Array(policies);
  for (let row = 0; row < violated.length; row += 1) {
    if (dispositions[row] !== Disposition.DISPOSITION_POLICY_VIOLATION) violated[row] = 0; // the empty one
  }
  return violated;
}

/** How much of a place is told is a matter of the API, so that a request's place follows from its address and its API. */
function placesOf({ addresses, apis, columns: from, rows }: ReadBatch, factIds: FactIds): Uint32Array {
  const details = apis.map(({ geography }) => detailOf(geography));
  const unknown = factIds.placeRow(addresses, 0, "none");
  const count = addresses.length / addressLength;
  const known = { country: new Uint32Array(count), city: new Uint32Array(count) };
  const ofRows = new Uint32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const detail = details[from.api[row] ?? 0] ?? "none";
    const address = from.clientAddress[row] ?? 0;
    ofRows[row] = unknown;
    if (detail === "none" || address === 0) continue;
    let next = known[detail][address] ?? 0;
    if (next === 0) {
      next = factIds.placeRow(addresses, address * addressLength, detail) + 1;
      known[detail][address] = next;
    }
    ofRows[row] = next - 1;
  }
  return ofRows;
}

function detailOf(geography: GeographyDetail): PlaceDetail {
  if (geography === GeographyDetail.GEOGRAPHY_DETAIL_CITY) return "city";
  return geography === GeographyDetail.GEOGRAPHY_DETAIL_COUNTRY ? "country" : "none";
}

interface NameTable {
  readonly count: number;
  readonly at: (index: number) => string | undefined;
}

function pushNames(to: NameColumn, indexes: Column, names: NameTable): void {
  to.pushIds(numbersOf(indexes, names.count, (index) => to.idOf(names.at(index) ?? "")));
}

function pushTexts(
  to: NameColumn,
  indexes: Column,
  { texts, ids }: { readonly texts: Uint32Array; readonly ids: TextIds },
): void {
  to.pushIds(numbersOf(indexes, texts.length, (index) => ids.idOf(texts[index] ?? 0)));
}

/** The number of each row's value; asked once for each value that a row has. */
function numbersOf(indexes: Column, values: number, numberOf: (index: number) => number): Uint32Array {
  /** One more than the number, so that zero is "not asked yet". */
  const known = new Uint32Array(values);
  const numbers = new Uint32Array(indexes.length);
  for (let row = 0; row < numbers.length; row += 1) {
    const index = indexes[row] ?? 0;
    let next = known[index] ?? 0;
    if (next === 0) {
      next = numberOf(index) + 1;
      known[index] = next;
    }
    numbers[row] = next - 1;
  }
  return numbers;
}

function halvesOf(value: bigint, rows: number): Uint32Array {
  const halves = new Uint32Array(rows * 2).fill(Number(value >> 32n));
  const low = Number(BigInt.asUintN(32, value));
  for (let at = 0; at < halves.length; at += 2) halves[at] = low;
  return halves;
}
