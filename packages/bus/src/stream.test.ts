import { eventCodecs, type EventType } from "@drawbridge/contracts";
import { expect, test } from "vitest";
import { standardStreams, streamOf } from "./stream.ts";

test("has a stream for every type of event", () => {
  const names = new Set(standardStreams.map(({ name }) => name));
  // The keys of eventCodecs are the event types.
  for (const type of Object.keys(eventCodecs) as EventType[]) expect(names, type).toContain(streamOf(type));
});

test("knows no stream for a type of no domain", () => {
  expect(streamOf("payroll.salary.raised.v1")).toBeUndefined();
  expect(streamOf("")).toBeUndefined();
});
