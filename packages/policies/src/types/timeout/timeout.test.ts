import { expect, test } from "vitest";
import { createPolicy, problemsOf } from "../../testing/harness.ts";
import { timeout } from "./timeout.ts";

test("declares the limits that are configured, and leaves the others to the gateway", async () => {
  expect((await createPolicy(timeout, { responseMs: 500, totalMs: 2000 })).upstream).toStrictEqual({
    timeouts: { responseMs: 500, totalMs: 2000 },
  });
});

test.each([
  [{}, ": must have one of"],
  [{ connectMs: 0 }, "connectMs"],
  [{ totalMs: 3_600_001 }, "totalMs"],
  [{ responseMs: 2001, totalMs: 2000 }, "responseMs: must not be longer than totalMs"],
  [{ firstByteMs: 1 }, ""],
])("the schema refuses %j and names the field", (configuration, problem) => {
  expect(problemsOf(timeout, configuration)[0]).toContain(problem);
});
