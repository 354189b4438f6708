import { expect, test } from "vitest";
import { requestIdFromKey } from "./request-id.ts";

const context = { username: "alice", route: "PUT /v1/environments/production/apps/hello" };

test("keeps an idempotency key that is a UUID", () => {
  expect(requestIdFromKey("0193E3A0-0000-7000-8000-00000000000A", context)).toBe(
    "0193e3a0-0000-7000-8000-00000000000a",
  );
});

test("makes the same UUIDv8 of the same text, user and route, and another one otherwise", () => {
  const id = requestIdFromKey("deploy 42", context);
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(requestIdFromKey("deploy 42", context)).toBe(id);
  expect(requestIdFromKey("deploy 43", context)).not.toBe(id);
  expect(requestIdFromKey("deploy 42", { ...context, username: "bob" })).not.toBe(id);
  expect(
    requestIdFromKey("deploy 42", { ...context, route: "DELETE /v1/environments/production/apps/hello" }),
  ).not.toBe(id);
});
