import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import { batchHead, readBatch, type ReportableRequest } from "@drawbridge/request-batch";
import { expect, test } from "vitest";
import { AnalyticsBoard } from "../../analytics/analytics-board.ts";
import type { FromWorker } from "../../workers/protocol.ts";
import { RequestRecorder, toldVerb } from "./request-recorder.ts";

const noon = Date.UTC(2026, 10, 22, 12);

function request(
  override: Partial<ReportableRequest> = {},
  addressDetail: "full" | "hashed" = "full",
): ReportableRequest {
  return {
    receivedAtMs: noon,
    instance: addressDetail === "full" ? instance : hashedInstance,
    application: "",
    resourcePath: "/orders",
    verb: "GET",
    status: 200,
    disposition: Disposition.DISPOSITION_PROCESSED,
    policy: undefined,
    latencyUs: 1,
    upstreamUs: 1,
    requestBytes: 0,
    responseBytes: 0,
    clientAddress: "203.0.113.77",
    userAgent: "curl",
    replica: "",
    ...override,
  };
}

const api = { apiId: "1", name: "orders", version: "1", environment: "prod", app: "shop", geography: 0 } as const;
const instance = { api, addressDetail: "full", isUserAgentTold: true } as const;
const hashedInstance = { api, addressDetail: "hashed", isUserAgentTold: true } as const;

function aRecorder(): { recorder: RequestRecorder; board: AnalyticsBoard; said: FromWorker[] } {
  const board = new AnalyticsBoard();
  board.renewKeys(noon);
  const said: FromWorker[] = [];
  return { board, said, recorder: new RequestRecorder({ board, send: (message) => said.push(message), nowMs: noon }) };
}

const rowsIn = (said: readonly FromWorker[]): number =>
  said.reduce((sum, message) => sum + (message.type === "requests" ? message.rows : 0), 0);
const droppedIn = (said: readonly FromWorker[]): number =>
  said.reduce((sum, message) => sum + (message.type === "tallies" ? (message.dropped?.requests ?? 0) : 0), 0);

function addressesIn(said: readonly FromWorker[]): readonly string[] {
  return said.flatMap((message) => {
    if (message.type !== "requests") return [];
    const head = batchHead({ gatewayId: "gateway-0", epoch: 1n, sequence: 1n }, []);
    const batch = readBatch(Buffer.concat([head, new Uint8Array(message.body)]));
    return [Buffer.from(batch.addresses.subarray(16, 32)).toString("hex")];
  });
}

test("a full batch goes at once, one that is not full after a second", () => {
  const { recorder, said } = aRecorder();
  for (let count = 0; count < 1_001; count += 1) recorder.add(request());
  expect(said.map((message) => message.type === "requests" && message.rows)).toEqual([1_000]);
  recorder.tick(999, noon + 999);
  expect(rowsIn(said)).toBe(1_000);
  recorder.tick(1_000, noon + 1_000);
  expect(rowsIn(said)).toBe(1_001);
});

test("while nobody takes batches off, requests beyond one batch are dropped and counted, none is lost track of", () => {
  const { recorder, board, said } = aRecorder();
  board.addBytes(64 * 1024 * 1024);
  for (let count = 0; count < 1_300; count += 1) recorder.add(request({ receivedAtMs: noon + count }));
  recorder.tick(5_000, noon + 5_000);
  expect(rowsIn(said)).toBe(0);
  expect(said).toEqual([
    { type: "tallies", tallies: [], dropped: { requests: 300, fromMs: noon + 1_000, toMs: noon + 1_299 } },
  ]);
  board.addBytes(-64 * 1024 * 1024);
  recorder.tick(5_100, noon + 5_100);
  recorder.add(request());
  recorder.flush(noon);
  expect(rowsIn(said) + droppedIn(said)).toBe(1_301);
});

test("what is on the way is told to all threads: whoever took it off takes it away", () => {
  const { recorder, board, said } = aRecorder();
  recorder.add(request());
  recorder.flush(noon);
  const bytes = said.reduce((sum, message) => sum + (message.type === "requests" ? message.body.byteLength : 0), 0);
  expect(bytes).toBeGreaterThan(0);
  expect(board.bytesOnTheWay).toBe(bytes);
});

test("addresses are hashed with the key of their day, and every batch has one (ANA 2)", () => {
  const { recorder, board, said } = aRecorder();
  const record = (): void => recorder.add(request({}, "hashed"));
  record();
  recorder.flush(noon);
  record();
  recorder.tick(1, noon + 43_200_000); // midnight
  record();
  recorder.flush(noon);
  board.renewKeys(noon + 43_200_000);
  const [first, second, next] = addressesIn(said);
  expect(first).toMatch(/^fd/);
  expect(second).toBe(first);
  expect(next).not.toBe(first);
});

test("requests are counted by what became of them, also where nothing is told of them", () => {
  const { recorder, said } = aRecorder();
  recorder.count(Disposition.DISPOSITION_BLOCKED, 2);
  recorder.count(Disposition.DISPOSITION_PROCESSED, 3);
  recorder.count(Disposition.DISPOSITION_PROCESSED, 4);
  recorder.tick(1_000, noon);
  recorder.tick(2_000, noon);
  expect(said).toEqual([
    {
      type: "tallies",
      tallies: [
        { disposition: Disposition.DISPOSITION_PROCESSED, requests: 2, durationMs: 7 },
        { disposition: Disposition.DISPOSITION_BLOCKED, requests: 1, durationMs: 2 },
      ],
      dropped: undefined,
    },
  ]);
});

test("a method that only one client knows is told as OTHER: it could be anything", () => {
  expect(["GET", "PROPFIND", "SECRET"].map(toldVerb)).toEqual(["GET", "PROPFIND", "OTHER"]);
});
