import { afterAll, beforeAll, expect, test } from "vitest";
import { startSmugglingGateway, type SmugglingGateway } from "./smuggling/lanes.ts";
import { runSmugglingCase, smugglingCases } from "./smuggling/suite.ts";

const laneCount = 8;
let gateway: SmugglingGateway;
const findings = new Map<string, readonly string[]>();
const nameOf = (one: (typeof smugglingCases)[number]): string => `${one.kind}, ${one.group}: ${one.name}`;

beforeAll(async () => {
  gateway = await startSmugglingGateway(laneCount);
  const waiting = [...smugglingCases];
  await Promise.all(
    gateway.lanes.map(async (lane) => {
      for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
        findings.set(nameOf(one), await runSmugglingCase(lane, one));
      }
    }),
  );
});

afterAll(() => gateway[Symbol.asyncDispose]());

test("there are at least 150 cases, each with a name of its own", () => {
  expect(new Set(smugglingCases.map(nameOf)).size).toBe(smugglingCases.length);
  expect(smugglingCases.length).toBeGreaterThanOrEqual(150);
});

test.each(smugglingCases.map((one) => ({ name: nameOf(one) })))(
  "refused or forwarded without doubt: $name",
  ({ name }) => {
    expect(findings.get(name)?.join("; ")).toBe("");
  },
);
