import { Capture, CapturePart } from "@drawbridge/contracts/apis/v1/capture";
import { expect, test } from "vitest";
import { CaptureGuard } from "./capture-guard.ts";
import { readCapture, templateKey, type CaptureOrder } from "./capture-order.ts";

const noon = Date.UTC(2026, 10, 22, 12);
const minutes = (count: number): number => count * 60_000;

function aCapture(change: Partial<Capture> = {}): Capture {
  return Capture.fromPartial({
    captureId: "c1",
    startsAt: new Date(noon),
    expiresAt: new Date(noon + minutes(10)),
    samplePerMillion: 1_000_000,
    parts: [CapturePart.CAPTURE_PART_QUERY],
    exchangesPerSecond: 3,
    exchanges: 5,
    ...change,
  });
}

function anOrder(change: Partial<Capture> = {}): CaptureOrder {
  const order = readCapture(aCapture(change));
  if (order === undefined) throw new Error("this one can be followed");
  return order;
}

const at = (wallMinutes: number, monotonicMinutes: number): { wallMs: number; monotonicMs: number } => ({
  wallMs: noon + minutes(wallMinutes),
  monotonicMs: minutes(monotonicMinutes),
});

test.each<[string, Partial<Capture>]>([
  ["without an end", { expiresAt: undefined }],
  ["that lasts longer than a day", { expiresAt: new Date(noon + minutes(24 * 60) + 1) }],
  ["that ends before it begins", { expiresAt: new Date(noon) }],
  ["of no part", { parts: [] }],
  ["of a part that is not known here", { parts: [CapturePart.CAPTURE_PART_QUERY, 77 as CapturePart] }],
  ["that reveals what cannot be read", { reveal: ["$..everything"] }],
  ["that redacts what cannot be read", { redact: ["$["] }],
  ["without a limit", { exchanges: 0 }],
  ["of more in a second than a gateway takes", { exchangesPerSecond: 101 }],
  ["of more than all requests", { samplePerMillion: 1_000_001 }],
])("a capture %s is not followed (META 4)", (_, change) => {
  expect(readCapture(aCapture(change))).toBeUndefined();
});

test("a template is compared without the names of its placeholders", () => {
  expect(templateKey("/orders/{order-id}/lines/{}")).toBe("/orders/{}/lines/{}");
});

test("a capture ends at the instant it says", () => {
  const guard = new CaptureGuard();
  expect(guard.isOpen(anOrder(), at(0, 0))).toBe(true);
  expect(guard.isOpen(anOrder(), { wallMs: noon + minutes(10) - 1, monotonicMs: minutes(10) - 1 })).toBe(true);
  expect(guard.isOpen(anOrder(), at(10, 10))).toBe(false);
});

test("a clock that is set back does not prolong a capture", () => {
  const guard = new CaptureGuard();
  expect(guard.isOpen(anOrder(), at(4, 0))).toBe(true);
  expect(guard.isOpen(anOrder(), at(1, 5))).toBe(true);
  expect(guard.isOpen(anOrder(), at(2, 6))).toBe(false);
});

test("what is over stays over when the clock is set back, and when a later document says otherwise", () => {
  const guard = new CaptureGuard();
  expect(guard.isOpen(anOrder(), at(10, 0))).toBe(false);
  expect(guard.isOpen(anOrder(), at(1, 1))).toBe(false);
  expect(guard.isOpen(anOrder({ expiresAt: new Date(noon + minutes(60)) }), at(1, 2))).toBe(false);
});

test("a later end under the same id does not prolong a capture", () => {
  const guard = new CaptureGuard();
  expect(guard.isOpen(anOrder(), at(0, 0))).toBe(true);
  expect(guard.isOpen(anOrder({ expiresAt: new Date(noon + minutes(60)) }), at(10, 10))).toBe(false);
});

test("a gateway whose clock is far behind does not follow a capture until it is right", () => {
  const guard = new CaptureGuard();
  expect(guard.isOpen(anOrder(), at(-6, 0))).toBe(false);
  expect(guard.isOpen(anOrder(), at(1, 1))).toBe(true);
});

test("takes so many in a second and so many in all, and no more", () => {
  const guard = new CaptureGuard();
  const takeAt = (monotonicMs: number): string => guard.take(anOrder(), { wallMs: noon, monotonicMs });
  expect([0, 1, 2, 999].map(takeAt)).toEqual(["taken", "taken", "taken", "too_many"]);
  expect([1_000, 1_001, 1_002].map(takeAt)).toEqual(["taken", "taken", "over"]);
  expect(guard.taken("c1")).toBe(5);
});

test("a capture that the control plane calls full is over", () => {
  const guard = new CaptureGuard();
  expect(guard.take(anOrder(), at(0, 0))).toBe("taken");
  guard.end("c1");
  expect(guard.take(anOrder(), at(0, 1))).toBe("over");
});
