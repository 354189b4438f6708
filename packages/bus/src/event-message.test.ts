import { headers } from "@nats-io/nats-core";
import { expect, test } from "vitest";
import { decodeEvent, eventHeaders, parseEventSubject } from "./event-message.ts";

const occurredAt = new Date("2026-05-04T03:02:01.000Z");
const id = "0198e5a0-0000-7000-8000-000000000001";
const sent = {
  id,
  type: "config.bundle.stored.v1",
  scope: "fabric-1",
  occurredAt,
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  payloadJson: JSON.stringify({ digest: "d1", sizeBytes: "18446744073709551615" }),
};

function messageOf(change: { subject?: string; payload?: string; without?: string } = {}) {
  const fields = eventHeaders(sent, sent.traceparent);
  fields.set("Nats-Msg-Id", id);
  if (change.without !== undefined) fields.delete(change.without);
  return {
    subject: change.subject ?? "drawbridge.config.bundle.stored.v1.fabric-1",
    headers: fields,
    data: Buffer.from(change.payload ?? sent.payloadJson),
  };
}

test("gives back the event that was sent, with 64-bit numbers unharmed", () => {
  expect(decodeEvent(messageOf())).toEqual({
    id,
    type: "config.bundle.stored.v1",
    scope: "fabric-1",
    occurredAt,
    traceparent: sent.traceparent,
    payload: { digest: "d1", sizeBytes: 18_446_744_073_709_551_615n, appName: "", version: "" },
  });
});

test("takes the scope from the end of the subject", () => {
  expect(parseEventSubject("drawbridge.runtime.fabric.created.v1.f-9")).toEqual({
    type: "runtime.fabric.created.v1",
    scope: "f-9",
  });
});

test.each([
  ["an unknown type", { subject: "drawbridge.config.bundle.exploded.v1.fabric-1" }],
  ["a type that is a property of every object", { subject: "drawbridge.constructor.fabric-1" }],
  ["no id", { without: "Nats-Msg-Id" }],
  ["no instant", { without: "Drawbridge-Occurred-At" }],
  ["a payload that is no JSON", { payload: "{" }],
  ["a payload that is no object", { payload: "7" }],
  ["a payload that is null", { payload: "null" }],
  ["a number where none can be read", { payload: '{"sizeBytes":"many"}' }],
])("refuses an event with %s", (_what, change) => {
  expect(() => decodeEvent(messageOf(change))).toThrow(expect.objectContaining({ code: "EVENT_MALFORMED" }));
});

test("refuses a payload that is not UTF-8", () => {
  expect(() => decodeEvent({ ...messageOf(), data: Uint8Array.of(0x7b, 0xff, 0x7d) })).toThrow(
    expect.objectContaining({ code: "EVENT_MALFORMED" }),
  );
  expect(() => decodeEvent({ ...messageOf(), headers: headers() })).toThrow(
    expect.objectContaining({ code: "EVENT_MALFORMED" }),
  );
});
