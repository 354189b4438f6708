import { Disposition, GapReason, RequestBatch } from "@drawbridge/contracts/analytics/v1/request_batch";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BatchBuilder, batchHead, type ReportedInstance } from "./batch-builder.ts";
import type { Column } from "./column.ts";
import { batchLimits } from "./limits.ts";
import { readBatch, type ReadBatch } from "./read-batch.ts";
import type { ReportableRequest } from "./reportable-request.ts";

const name = { gatewayId: "gateway-0", epoch: 3n, sequence: 9n };
const addressKey = new Uint8Array(32).fill(1);

function instance(api: string, override: Partial<ReportedInstance> = {}): ReportedInstance {
  return {
    api: { apiId: `id-${api}`, name: api, version: "1.0.0", environment: "production", app: "shop", geography: 0 },
    addressDetail: "full",
    isUserAgentTold: true,
    ...override,
  };
}

function request(override: Partial<ReportableRequest> = {}): ReportableRequest {
  return {
    receivedAtMs: 1_700_000_000_000,
    instance: orders,
    application: "",
    resourcePath: "/orders/{id}",
    verb: "GET",
    status: 200,
    disposition: Disposition.DISPOSITION_PROCESSED,
    policy: undefined,
    latencyUs: 1_500,
    upstreamUs: 900,
    requestBytes: 0,
    responseBytes: 1_024,
    clientAddress: "203.0.113.77",
    userAgent: "curl/8.5.0",
    replica: "shop-0",
    ...override,
  };
}

const orders = instance("orders");

function written(requests: readonly ReportableRequest[]): Uint8Array {
  const builder = new BatchBuilder({ capacity: batchLimits.rows, addressKey });
  for (const each of requests) builder.add(each);
  const taken = builder.take();
  if (taken === undefined) throw new Error("nothing was collected");
  return Buffer.concat([batchHead(name, []), taken.body]);
}

const at = (column: Column, row: number): number => column[row] ?? -1;

/** What a reader makes of a row. */
function rowOf(batch: ReadBatch, row: number) {
  const { columns, strings } = batch;
  const text = (column: Column): string => strings.textOf(at(column, row));
  return {
    receivedAtMs: batch.baseTimeMs + at(columns.timeOffsetMs, row),
    api: batch.apis[at(columns.api, row)],
    application: text(columns.application),
    resourcePath: text(columns.resourcePath),
    verb: text(columns.verb),
    status: at(columns.status, row),
    disposition: at(columns.disposition, row),
    policy: batch.policies[at(columns.policy, row)],
    latencyUs: at(columns.latencyUs, row),
    upstreamUs: at(columns.upstreamUs, row),
    requestBytes: at(columns.requestBytes, row),
    responseBytes: at(columns.responseBytes, row),
    clientAddress: addressOf(batch, at(columns.clientAddress, row)),
    userAgent: text(columns.userAgent),
    replica: text(columns.replica),
  };
}

function addressOf(batch: ReadBatch, index: number): string {
  return index === 0 ? "" : [...batch.addresses.subarray(index * 16 + 12, index * 16 + 16)].join(".");
}

const noPolicy = { policyId: "", name: "" };

function expected(from: ReportableRequest) {
  const { instance: told, policy, ...rest } = from;
  return { ...rest, api: told.api, policy: policy ?? noPolicy };
}

const instances = [orders, instance("billing"), instance("search")];
const policies = [undefined, { policyId: "p1", name: "limit" }, { policyId: "p2", name: "jwt" }];

const someRequest = fc.record({
  receivedAtMs: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_900_000 }),
  instance: fc.constantFrom(...instances),
  application: fc.constantFrom("", "kiosk", "partner"),
  resourcePath: fc.string({ maxLength: 40 }),
  verb: fc.constantFrom("GET", "POST", "DELETE"),
  status: fc.integer({ min: 0, max: 599 }),
  disposition: fc.constantFrom(
    Disposition.DISPOSITION_PROCESSED,
    Disposition.DISPOSITION_POLICY_VIOLATION,
    Disposition.DISPOSITION_BLOCKED,
    Disposition.DISPOSITION_ERROR,
  ),
  policy: fc.constantFrom(...policies),
  latencyUs: fc.nat(2 ** 31 - 1),
  upstreamUs: fc.nat(70_000),
  requestBytes: fc.nat(300),
  responseBytes: fc.nat(2 ** 31 - 1),
  clientAddress: fc.ipV4(),
  userAgent: fc.string({ maxLength: 60 }),
  replica: fc.constantFrom("", "shop-0", "shop-1"),
});

test("a builder is full before its texts are more than a batch may have", () => {
  const builder = new BatchBuilder({ capacity: 1_000, addressKey });
  while (!builder.isFull) builder.add(request({ resourcePath: `/${"\u20ac".repeat(1_000)}/${builder.rows}` }));
  expect(builder.rows).toBeLessThan(1_000);
  expect(builder.take()?.body.length).toBeLessThan(batchLimits.bytes / 2);
  expect(builder.isFull).toBe(false);
});

test("what was added is read, row by row (ANA 2)", () => {
  fc.assert(
    fc.property(fc.array(someRequest, { minLength: 1, maxLength: 400 }), (requests) => {
      const batch = readBatch(written(requests));
      expect(batch).toMatchObject({ ...name, rows: requests.length });
      requests.forEach((each, row) => expect(rowOf(batch, row)).toEqual(expected(each)));
    }),
    { numRuns: 50 },
  );
});

test("a builder that was emptied knows nothing of the batch before", () => {
  const builder = new BatchBuilder({ capacity: 10, addressKey });
  builder.add(request({ userAgent: "an earlier one", clientAddress: "198.51.100.1" }));
  builder.take();
  builder.add(request());
  const text = Buffer.from(builder.take()?.body ?? []).toString("latin1");
  expect(text).not.toContain("an earlier one");
  expect(builder.take()).toBeUndefined();
});

test("an environment that wants neither address nor User-Agent gets neither", () => {
  const quiet = instance("quiet", { addressDetail: "none", isUserAgentTold: false });
  const bytes = written([request({ instance: quiet, userAgent: "canary-agent", clientAddress: "198.51.100.9" })]);
  expect(Buffer.from(bytes).includes("canary-agent")).toBe(false);
  expect(Buffer.from(bytes).includes(Buffer.from([198, 51, 100, 9]))).toBe(false);
  expect(rowOf(readBatch(bytes), 0)).toMatchObject({ userAgent: "", clientAddress: "" });
});

test("environments with different settings share a batch", () => {
  const truncated = instance("truncated", { addressDetail: "truncated" });
  const batch = readBatch(written([request(), request({ instance: truncated }), request({ instance: truncated })]));
  const told = [0, 1, 2].map((row) => rowOf(batch, row).clientAddress);
  expect(told).toEqual(["203.0.113.77", "203.0.113.0", "203.0.113.0"]);
});

test("a User-Agent is cut and a number that does not fit is told as the largest", () => {
  const batch = readBatch(written([request({ userAgent: "a".repeat(5_000), responseBytes: 2 ** 40 })]));
  expect(rowOf(batch, 0)).toMatchObject({ userAgent: "a".repeat(256), responseBytes: 2 ** 32 - 1 });
});

test("a full builder takes no more", () => {
  const builder = new BatchBuilder({ capacity: 1, addressKey });
  builder.add(request());
  expect(builder.isFull).toBe(true);
  expect(() => builder.add(request())).toThrow("full");
});

test("a batch may tell of gaps alone", () => {
  const gap = { requests: 3n, fromMs: 1n, toMs: 2n, reason: GapReason.GAP_REASON_INTERRUPTED };
  const head = batchHead({ gatewayId: "gateway-0", epoch: 1n, sequence: 1n }, [gap]);
  expect(readBatch(head)).toMatchObject({ rows: 0, gaps: [gap], apis: [] });
});

const nothing = RequestBatch.decode(new Uint8Array());
/** Of a text as a field of a RequestBatch: tag and length, in one or two bytes. */
const head = ({ length }: Uint8Array): Buffer =>
  Buffer.from(length < 128 ? [50, length] : [50, (length & 127) | 128, length >> 7]);
const whole = RequestBatch.decode(written([request(), request({ status: 404 })]));

test.each<[string, Partial<RequestBatch>, string]>([
  ["no gateway", { gatewayId: "" }, "gateway_id"],
  ["a gateway's name with a newline", { gatewayId: "gateway\n0" }, "gateway_id"],
  ["no number", { sequence: 0n }, "sequence"],
  ["no rows", { rows: 0 }, "rows"],
  ["too many rows", { rows: 5_001 }, "rows"],
  ["a time that no calendar has", { baseTimeMs: 2n ** 63n }, "base_time_ms"],
  ["a column of another length", { status: Buffer.alloc(3) }, "status"],
  ["a column 8 bytes wide", { latencyUs: Buffer.alloc(16) }, "latency_us"],
  ["a name that is in no table", { verb: Buffer.of(1, 200) }, "verb"],
  ["an API that is in no table", { api: Buffer.of(0, 1) }, "api"],
  ["no API", { apis: [] }, "apis"],
  ["a policy that is in no table", { policy: Buffer.of(0, 1) }, "policy"],
  ["an address that is in no table", { clientAddress: Buffer.of(0, 9) }, "client_address"],
  ["an address of 5 bytes", { addresses: Buffer.alloc(21) }, "addresses"],
  ["a table of addresses that does not begin with nothing", { addresses: Buffer.alloc(32, 1) }, "addresses"],
  ["a status of four digits", { status: Buffer.from(Uint16Array.of(200, 1000).buffer) }, "status"],
  ["an unknown disposition", { disposition: Buffer.of(1, 5) }, "disposition"],
  ["a table that does not begin with nothing", { strings: ["a", "b", "c", "d", "e"] }, "strings"],
  ["a text that is too long", { strings: [...whole.strings, "x".repeat(1_025)] }, "strings"],
  ["an API's name that is too long", { apis: [{ ...orders.api, name: "x".repeat(1_025) }] }, "apis"],
])("refuses %s and names the field", (_what, change, field) => {
  const bytes = RequestBatch.encode({ ...whole, ...change }).finish();
  expect(() => readBatch(bytes)).toThrow(
    expect.objectContaining({ code: "ANALYTICS_BATCH_INVALID", details: { field } }),
  );
});

test("texts are those of the contract, in whatever order the message has its fields", () => {
  const bytes = written([request()]);
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 }), (texts) => {
      // Not all of them are good UTF-8, and they come behind the fields that come behind them.
      const more = texts.map((text) =>
        RequestBatch.encode({ ...nothing, strings: [Buffer.from(text).toString("latin1")] }).finish(),
      );
      const message = Buffer.concat([bytes, ...more, ...texts.map((text) => Buffer.concat([head(text), text]))]);
      const { strings } = readBatch(message);
      expect(Array.from({ length: strings.length }, (_, index) => strings.textOf(index))).toEqual(
        RequestBatch.decode(message).strings,
      );
    }),
  );
});

test("whatever bytes come, the answer is a batch or that code", () => {
  const good = written([request(), request({ status: 404, application: "kiosk" })]);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      fc.nat(good.length),
      (changes, length) => {
        const bytes = Uint8Array.from(good);
        for (const [offset, value] of changes) bytes[offset] = value;
        try {
          const batch = readBatch(bytes.subarray(0, length));
          for (let row = 0; row < batch.rows; row += 1) rowOf(batch, row);
        } catch (error) {
          expect(error).toMatchObject({ code: "ANALYTICS_BATCH_INVALID" });
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test("a batch above the limit is refused before it is decoded", () => {
  expect(() => readBatch(new Uint8Array(batchLimits.bytes + 1))).toThrow("larger than 1048576 bytes");
});
