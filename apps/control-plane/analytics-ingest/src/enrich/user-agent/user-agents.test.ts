import { expect, test } from "vitest";
import { noUserAgent } from "./parse-user-agent.ts";
import { createUserAgents } from "./user-agents.ts";

test("parses so many new User-Agents in a second, counts those beyond, and goes on in the next second", () => {
  let nowMs = 0;
  const userAgents = createUserAgents({ monotonicMs: () => nowMs });
  const versions = Array.from({ length: 700 }, (_, n) => `curl/8.${n}`);
  const parsed = versions.filter((userAgent) => userAgents.factsOf(userAgent) !== noUserAgent);
  expect(parsed).toHaveLength(500);
  expect(userAgents.skipped).toBe(200);
  expect(userAgents.factsOf("curl/8.0").version, "one that was seen costs nothing").toBe("8.0");
  nowMs = 1_000;
  expect(userAgents.factsOf("curl/8.699").version).toBe("8.699");
  expect(userAgents.skipped).toBe(200);
});
