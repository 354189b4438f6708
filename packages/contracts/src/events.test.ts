import { eventCodecs, eventSubject, type EventType } from "@drawbridge/contracts";
import { expect, test } from "vitest";

/** What all codecs have in common, each for its own message. */
interface Codec {
  fromJSON(json: unknown): unknown;
  toJSON(message: never): unknown;
}

test.each(Object.keys(eventCodecs))("%s is <domain>.<entity>.<fact>.v<N>", (type) => {
  expect(type).toMatch(/^(activation|apis|certs|runtime|config)\.[a-z]+\.[a-z]+\.v[1-9]$/);
});

test("ids come last in a subject, so that a consumer can filter by type", () => {
  expect(eventSubject("runtime.fabric.activated.v1", "01890000")).toBe(
    "drawbridge.runtime.fabric.activated.v1.01890000",
  );
  expect(eventSubject("runtime.fabric.activated.v1", "*")).toBe("drawbridge.runtime.fabric.activated.v1.*");
});

test.each(Object.keys(eventCodecs) as EventType[])("%s survives protobuf JSON", (type) => {
  const codec: Codec = eventCodecs[type];
  const empty = codec.fromJSON({});
  expect(codec.fromJSON(JSON.parse(JSON.stringify(codec.toJSON(empty as never))))).toEqual(empty);
});
