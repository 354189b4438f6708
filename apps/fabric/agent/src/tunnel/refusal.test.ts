import { expect, test } from "vitest";
import { explainRefusal } from "./refusal.ts";

test("a locked agent sends people where the way back is known, and promises no option that may not do", () => {
  const said = explainRefusal("AGENT_LOCKED");
  expect(said).toContain("drawbridge fabric recover <fabric>");
  expect(said).not.toContain("--allow");
});

test("what time heals is not explained as a refusal", () => {
  expect(explainRefusal("PEER_UNAVAILABLE")).toBeUndefined();
  expect(explainRefusal("toString")).toBeUndefined();
});
