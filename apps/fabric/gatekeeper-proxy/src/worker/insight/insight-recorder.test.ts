import { Capture, CapturePart } from "@drawbridge/contracts/apis/v1/capture";
import { ApiDocument } from "@drawbridge/contracts/apis/v1/configuration";
import { expect, test } from "vitest";
import { InsightBoard } from "../../insight/insight-board.ts";
import type { FromWorker } from "../../workers/protocol.ts";
import type { Arrival } from "../exchange/request-context.ts";
import { ApiCaptures, capturesOf } from "./api-captures.ts";
import type { CopyEnd } from "./exchange-copy.ts";
import { InsightRecorder } from "./insight-recorder.ts";

const noon = Date.UTC(2026, 10, 22, 12);
const place = { resource: "", relativePath: "/orders/17" };
const end: CopyEnd = {
  isComplete: true,
  replica: "r",
  clientApplication: "",
  receivedAtMs: noon,
  status: 200,
  disposition: 1,
  violatedPolicy: "",
  latencyMs: 1,
  upstreamMs: 1,
};
// What a copy reads of it.
const arrival = {
  method: "POST",
  target: { path: "/orders/17", search: "?a=1" },
  fields: { fields: ["content-type", "application/json"], bodyLength: -1 },
} as unknown as Pick<Arrival, "method" | "target" | "fields">;

function captures(change: Partial<Capture> = {}): ApiCaptures {
  const capture = Capture.fromPartial({
    captureId: "c1",
    startsAt: new Date(noon),
    expiresAt: new Date(noon + 60_000),
    samplePerMillion: 1_000_000,
    parts: [CapturePart.CAPTURE_PART_REQUEST_BODY, CapturePart.CAPTURE_PART_RESPONSE_BODY],
    exchangesPerSecond: 2,
    exchanges: 10,
    ...change,
  });
  const document = ApiDocument.fromPartial({ apiId: "a", name: "orders", version: "1", captures: [capture] });
  return new ApiCaptures(document, capturesOf(document), "shop");
}

function aRecorder(board = new InsightBoard(1), random = () => 0.5) {
  const sent: FromWorker[] = [];
  const recorder = new InsightRecorder({
    worker: 0,
    board,
    random: { next: random },
    now: () => ({ wallMs: noon, monotonicMs: 0 }),
    send: (message) => void sent.push(message),
  });
  return {
    recorder,
    board,
    sent,
    losses: () => (recorder.flush(), sent.filter(({ type }) => type === "lost_exchanges")),
  };
}

test("a piece is copied as it was when it passed, whoever uses its memory afterwards", () => {
  const { recorder, sent } = aRecorder();
  const copy = recorder.begin(captures(), arrival, place);
  const piece = Buffer.from('{"a":1}');
  copy?.takeRequest(piece);
  piece.fill("x");
  copy?.endRequest();
  copy?.end(end);
  expect(sent).toMatchObject([{ type: "exchange", query: "a=1", pathTemplate: "/orders/{}" }]);
  const [exchange] = sent;
  const bytes = exchange?.type === "exchange" ? exchange.requestBody.bytes : undefined;
  expect(Buffer.from(bytes ?? []).toString()).toBe('{"a":1}');
});

test.each<[string, Partial<Capture>]>([
  ["another method", { methods: ["GET"] }],
  ["another resource", { pathTemplates: ["/invoices/{}"] }],
  ["the very path", { pathTemplates: ["/orders/17"] }],
  ["fewer requests than chance lets in", { samplePerMillion: 400_000 }],
  ["a time that is over", { expiresAt: new Date(noon - 1), startsAt: new Date(noon - 60_000) }],
])("nothing is copied for a capture of %s", (_, change) => {
  const { recorder, board } = aRecorder();
  expect(recorder.begin(captures(change), arrival, place)).toBeUndefined();
  expect(board.heldBytes).toBe(0);
});

test.each<[string, Partial<Capture>]>([
  ["another class of status", { statusClasses: [5] }],
  ["another client application", { clientApplications: ["shop"] }],
])("what does not meet %s is let go at the end, with all that it held", (_, change) => {
  const { recorder, board, sent } = aRecorder();
  const copy = recorder.begin(captures(change), arrival, place);
  copy?.takeResponse(Buffer.alloc(1_000));
  expect(board.heldBytes).toBeGreaterThan(1_000);
  copy?.end(end);
  expect([board.heldBytes, sent]).toEqual([0, []]);
});

test("more than a second takes is not copied, and counted", () => {
  const { recorder, losses } = aRecorder();
  for (let count = 0; count < 5; count += 1) recorder.begin(captures(), arrival, place)?.end(end);
  expect(losses()).toEqual([{ type: "lost_exchanges", losses: [{ captureId: "c1", reason: "rate", exchanges: 3 }] }]);
});

test("a body that is too large to keep holds no memory", () => {
  const { recorder, board } = aRecorder();
  const copy = recorder.begin(captures(), arrival, place);
  const before = board.heldBytes;
  for (let count = 0; count < 10; count += 1) copy?.takeResponse(Buffer.alloc(10_000));
  expect(board.heldBytes).toBe(before);
});

test("a body in tiny pieces is one buffer, of which every byte is reserved", () => {
  class CountingBoard extends InsightBoard {
    calls = 0;
    override reserve(worker: number, bytes: number): boolean {
      this.calls += 1;
      return super.reserve(worker, bytes);
    }
  }
  const board = new CountingBoard(1);
  const { recorder, sent } = aRecorder(board);
  const copy = recorder.begin(captures(), arrival, place);
  const before = board.heldBytes;
  for (let count = 0; count < 40_000; count += 1) copy?.takeRequest(Uint8Array.of(count % 251));
  expect(board.heldBytes - before).toBe(64 * 1024);
  expect(board.calls).toBeLessThan(10);
  copy?.endRequest();
  copy?.end(end);
  const [exchange] = sent;
  if (exchange?.type !== "exchange") throw new Error("nothing was delivered");
  const { bytes } = exchange.requestBody;
  expect(bytes?.buffer.byteLength).toBe(64 * 1024);
  expect(
    Buffer.compare(
      bytes ?? Buffer.alloc(0),
      Uint8Array.from({ length: 40_000 }, (_, at) => at % 251),
    ),
  ).toBe(0);
  board.release(0, exchange.heldBytes);
  expect(board.heldBytes).toBe(0);
});

test("without memory for it an exchange is given up and counted; others let go later", () => {
  const board = new InsightBoard(1);
  const { recorder, losses } = aRecorder(board);
  const copies = Array.from({ length: 1_000 }, () => recorder.begin(captures({ statusClasses: [2] }), arrival, place));
  for (const copy of copies) copy?.takeResponse(Buffer.alloc(60_000));
  expect(board.heldBytes).toBeLessThanOrEqual(32 * 1024 * 1024);
  expect(losses()).toMatchObject([{ losses: [{ reason: "memory" }] }]);
  for (const copy of copies) copy?.end({ ...end, status: 500 });
  expect(board.heldBytes).toBe(0);
});

test("a fault of capturing is counted and never thrown at a request", () => {
  class BrokenBoard extends InsightBoard {
    isBroken = false;
    override reserve(worker: number, bytes: number): boolean {
      if (this.isBroken) throw new Error("broken");
      return super.reserve(worker, bytes);
    }
  }
  const board = new BrokenBoard(1);
  const { recorder, losses } = aRecorder(board);
  const copy = recorder.begin(captures(), arrival, place);
  board.isBroken = true;
  copy?.takeHead(["x-a", "1"]);
  copy?.takeResponse(Buffer.alloc(10));
  copy?.end(end);
  recorder.begin(captures(), arrival, place)?.end(end);
  const unlucky = aRecorder(new InsightBoard(1), () => {
    throw new Error("no random");
  });
  expect(unlucky.recorder.begin(captures({ samplePerMillion: 1 }), arrival, place)).toBeUndefined();
  expect(losses()).toMatchObject([{ losses: [{ reason: "fault", exchanges: 2 }] }]);
  expect(unlucky.losses()).toMatchObject([{ losses: [{ reason: "fault", exchanges: 1 }] }]);
  expect(board.heldBytes).toBe(0);
});
