import { serviceAccess } from "@drawbridge/bus";
import { expect, test } from "vitest";
import { auditedEvents } from "./event-record.ts";

test("the bus lets this service read every event that it keeps a record of", () => {
  expect(serviceAccess["management-api"].consumes).toEqual(auditedEvents);
});
