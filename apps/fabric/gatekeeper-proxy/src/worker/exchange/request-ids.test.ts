import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createRequestIds } from "./request-ids.ts";

test("ids have the form of UUIDs and do not repeat, also where their drawn part changes", () => {
  const ids = createRequestIds(randomUUID);
  const made = Array.from({ length: 70_000 }, () => ids.next());
  expect(new Set(made).size).toBe(70_000);
  expect(made.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toBe(
    true,
  );
  expect(made[0]?.slice(0, -4)).not.toBe(made[69_999]?.slice(0, -4));
});
