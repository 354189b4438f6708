import { RequestBatch, type Gap, type ReportedApi } from "@drawbridge/contracts/analytics/v1/request_batch";
import { addressLength, writeAddress, type AddressDetail } from "./client-address.ts";
import { columnBytes } from "./column.ts";
import { batchLimits, largestValue, userAgentLength } from "./limits.ts";
import type { ReportableRequest } from "./reportable-request.ts";
import { ValueTable } from "./value-table.ts";

/** An API instance and how much of its requests may be told. */
export interface ReportedInstance {
  readonly api: ReportedApi;
  readonly addressDetail: AddressDetail;
  readonly isUserAgentTold: boolean;
}

/** The name of a batch: who made it, and its number. */
export interface BatchName {
  readonly gatewayId: string;
  readonly epoch: bigint;
  readonly sequence: bigint;
}

const columnNames = [
  "api",
  "application",
  "resourcePath",
  "verb",
  "status",
  "disposition",
  "policy",
  "latencyUs",
  "upstreamUs",
  "requestBytes",
  "responseBytes",
  "clientAddress",
  "userAgent",
  "replica",
] as const;

type ColumnName = (typeof columnNames)[number];

/** UTF-16 code units of all texts of a batch, from which on it is full: with its columns it stays well below `batchLimits.bytes`. */
const mostText = 131_072;

/**
 * Collects requests column by column. Adding one makes no object and keeps none of its own: what tables know is looked up, numbers go
 * into typed arrays.
 */
export class BatchBuilder {
  readonly #capacity: number;
  readonly #addressKey: Uint8Array;
  readonly #columns: Readonly<Record<ColumnName, Uint32Array>>;
  readonly #times: Float64Array;
  readonly #strings = new ValueTable<string>("");
  readonly #addressTexts: Readonly<Record<AddressDetail, Map<string, number>>> = {
    full: new Map(),
    truncated: new Map(),
    hashed: new Map(),
    none: new Map(),
  };
  readonly #addresses: Uint8Array;
  #addressCount = 1;
  readonly #instances = new ValueTable<ReportedInstance>();
  readonly #policies = new ValueTable<string>("");
  #policyList = [{ policyId: "", name: "" }];
  #rows = 0;
  #textLength = 0;
  #fromMs = 0;
  #toMs = 0;

  /** @param options.capacity requests that fit, at most `batchLimits.rows` */
  constructor(options: { readonly capacity: number; readonly addressKey: Uint8Array }) {
    if (options.capacity > batchLimits.rows) throw new RangeError(`a batch has at most ${batchLimits.rows} rows`);
    this.#capacity = options.capacity;
    this.#addressKey = options.addressKey;
    this.#times = new Float64Array(options.capacity);
    this.#addresses = new Uint8Array((options.capacity + 1) * addressLength);
    const empty = (): Uint32Array => new Uint32Array(options.capacity);
    this.#columns = {
      api: empty(),
      application: empty(),
      resourcePath: empty(),
      verb: empty(),
      status: empty(),
      disposition: empty(),
      policy: empty(),
      latencyUs: empty(),
      upstreamUs: empty(),
      requestBytes: empty(),
      responseBytes: empty(),
      clientAddress: empty(),
      userAgent: empty(),
      replica: empty(),
    };
  }

  get rows(): number {
    return this.#rows;
  }

  get isFull(): boolean {
    return this.#rows === this.#capacity || this.#textLength >= mostText;
  }

  /** @throws RangeError when full: take first. */
  add(request: ReportableRequest): void {
    const row = this.#rows;
    if (row === this.#capacity) throw new RangeError("the batch is full");
    const columns = this.#columns;
    const { instance, policy, receivedAtMs } = request;
    this.#times[row] = receivedAtMs;
    if (row === 0 || receivedAtMs < this.#fromMs) this.#fromMs = receivedAtMs;
    if (row === 0 || receivedAtMs > this.#toMs) this.#toMs = receivedAtMs;
    columns.api[row] = this.#instances.indexOf(instance);
    columns.application[row] = this.#textIndex(request.application);
    columns.resourcePath[row] = this.#textIndex(request.resourcePath);
    columns.verb[row] = this.#textIndex(request.verb);
    columns.status[row] = request.status;
    columns.disposition[row] = request.disposition;
    columns.policy[row] = policy === undefined ? 0 : this.#policyIndex(policy);
    columns.latencyUs[row] = Math.min(request.latencyUs, largestValue);
    columns.upstreamUs[row] = Math.min(request.upstreamUs, largestValue);
    columns.requestBytes[row] = Math.min(request.requestBytes, largestValue);
    columns.responseBytes[row] = Math.min(request.responseBytes, largestValue);
    columns.clientAddress[row] = this.#addressIndex(request.clientAddress, instance.addressDetail);
    columns.userAgent[row] = instance.isUserAgentTold ? this.#textIndex(cut(request.userAgent)) : 0;
    columns.replica[row] = this.#textIndex(request.replica);
    this.#rows = row + 1;
  }

  /**
   * What was collected, as the body of a message to which `batchHead` is the beginning, or undefined for nothing. The builder is
   * empty then.
   */
  take():
    | { readonly body: Uint8Array; readonly rows: number; readonly fromMs: number; readonly toMs: number }
    | undefined {
    const rows = this.#rows;
    if (rows === 0) return undefined;
    const fromMs = this.#fromMs;
    const toMs = this.#toMs;
    const offsets = new Uint32Array(rows);
    for (let row = 0; row < rows; row += 1) {
      offsets[row] = Math.min((this.#times[row] ?? fromMs) - fromMs, largestValue);
    }
    const columns = Object.fromEntries(
      columnNames.map((name) => [name, columnBytes(this.#columns[name], rows)]),
    ) as Record<ColumnName, Buffer>; // one for each name
    const message = RequestBatch.fromPartial({
      rows,
      baseTimeMs: BigInt(Math.trunc(fromMs)),
      strings: this.#strings.values,
      apis: this.#instances.values.map(({ api }) => api),
      policies: this.#policyList,
      ...columns,
      addresses: Buffer.from(this.#addresses.subarray(0, this.#addressCount * addressLength)),
      timeOffsetMs: columnBytes(offsets, rows),
    });
    this.#clear();
    return { body: RequestBatch.encode(message).finish(), rows, fromMs, toMs };
  }

  #textIndex(text: string): number {
    const known = this.#strings.values.length;
    const index = this.#strings.indexOf(text);
    if (index === known) this.#textLength += text.length;
    return index;
  }

  #policyIndex(policy: { readonly policyId: string; readonly name: string }): number {
    const index = this.#policies.indexOf(policy.policyId);
    if (index === this.#policyList.length) this.#policyList.push(policy);
    return index;
  }

  #addressIndex(text: string, detail: AddressDetail): number {
    if (detail === "none" || text === "") return 0;
    const known = this.#addressTexts[detail].get(text);
    if (known !== undefined) return known;
    const index = this.#addressCount;
    writeAddress(text, detail, { table: this.#addresses, offset: index * addressLength, key: this.#addressKey });
    this.#addressTexts[detail].set(text, index);
    this.#addressCount = index + 1;
    return index;
  }

  #clear(): void {
    this.#rows = 0;
    this.#textLength = 0;
    this.#strings.clear();
    this.#instances.clear();
    this.#policies.clear();
    this.#policyList = [{ policyId: "", name: "" }];
    for (const texts of Object.values(this.#addressTexts)) texts.clear();
    this.#addressCount = 1;
  }
}

/** What comes before the body: messages that follow each other are one (protobuf encoding, "Last One Wins"). */
export function batchHead(name: BatchName, gaps: readonly Gap[]): Uint8Array {
  return RequestBatch.encode(RequestBatch.fromPartial({ ...name, gaps: [...gaps] })).finish();
}

function cut(text: string): string {
  return text.length > userAgentLength ? text.slice(0, userAgentLength) : text;
}
