import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { GateState } from "../gate/gate.ts";
import { explainGate, type ExplainFacts } from "./explain-gate.ts";

const since = new Date("2026-03-01T00:00:00Z");
const up: ExplainFacts["link"] = { state: "up", since, sinceMs: 0, reason: "" };
const down: ExplainFacts["link"] = { state: "down", since, sinceMs: 0, reason: "AGENT_GONE" };

function facts(more: Partial<ExplainFacts> = {}): ExplainFacts {
  return {
    link: up,
    resolution: { resolved: "no_root" },
    cached: "none",
    problems: () => [{ policyId: "1", policyName: "limit", field: "limits.0.requests", message: "must be at least 1" }],
    apiName: "orders",
    apiVersion: "1.0.0",
    environment: "production",
    ...more,
  };
}

const missing = (what: "objects" | "contracts", count: number): ExplainFacts["resolution"] => ({
  resolved: "missing",
  what,
  digests: Array.from({ length: count }, String),
  revision: 2,
});

const cases: readonly (readonly [GateState, Partial<ExplainFacts>, reason: string, message: string])[] = [
  [{ state: "live", setId: "a" }, {}, "", ""],
  [{ state: "fetching" }, {}, "ROOT_MISSING", "has not received the fabric's configuration yet"],
  [
    { state: "fetching" },
    { resolution: { resolved: "no_entry" } },
    "OBJECTS_MISSING",
    "not published anything for this binding",
  ],
  [{ state: "fetching" }, { resolution: missing("objects", 3) }, "OBJECTS_MISSING", "3 pieces of the configuration"],
  [{ state: "fetching" }, { resolution: missing("contracts", 1) }, "CONTRACTS_MISSING", "1 piece of the contracts"],
  [{ state: "applying", setId: "a", from: "platform" }, {}, "APPLYING", "being compiled"],
  [
    { state: "policy_error", setId: "a" },
    {},
    "POLICY_INVALID",
    'Policy "limit", field limits.0.requests: must be at least 1.',
  ],
  [{ state: "degraded", setId: "a", badSetId: "b" }, {}, "POLICY_INVALID", "The last complete set stays in force"],
  [
    { state: "offline" },
    { link: down },
    "LINK_DOWN",
    "since 2026-03-01T00:00:00.000Z (AGENT_GONE). There are no cached policies.",
  ],
  [{ state: "offline" }, { link: down, cached: "corrupt" }, "LINK_DOWN", "The cached policies are corrupt"],
  [
    { state: "offline" },
    { link: down, cached: "set" },
    "LINK_DOWN",
    "At level strict cached policies do not open the gate.",
  ],
  [{ state: "offline" }, { resolution: missing("objects", 2) }, "OBJECTS_MISSING", "2 pieces"],
  [{ state: "unresolved" }, {}, "API_UNKNOWN", "There is no API orders 1.0.0 in environment production"],
  [{ state: "cached", setId: "a" }, { link: down }, "LINK_DOWN", "The cached policies are enforced."],
  [{ state: "stale", setId: "a" }, { link: down }, "LINK_DOWN", "What was last received stays in force."],
  [{ state: "open" }, { link: down }, "LINK_DOWN", "At level disabled requests pass without policies."],
];

test.for(cases)("%o is explained by what is missing or broken (GK 8)", ([gate, more, reason, message]) => {
  const explained = explainGate(gate, facts(more));
  expect(explained.reason).toBe(reason);
  expect(explained.message).toContain(message);
});

test("an explanation is short however many policies are broken", () => {
  const problems = Array.from({ length: 200 }, (_, index) => ({
    policyId: "",
    policyName: `policy ${index}`,
    field: "",
    message: "x".repeat(400),
  }));
  const { message } = explainGate({ state: "policy_error", setId: "a" }, facts({ problems: () => problems }));
  expect(message.length).toBeLessThanOrEqual(1_000);
});

test("docs/gatekeeper.md has every reason and every state", () => {
  const docs = readFileSync(new URL("../../../../../docs/gatekeeper.md", import.meta.url), "utf8");
  for (const [gate, , reason] of cases) {
    expect(docs).toContain(`| \`${gate.state}\``);
    if (reason !== "") expect(docs).toContain(`| \`${reason}\``);
  }
});
