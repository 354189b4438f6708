import { join } from "node:path";
import { alertRulesSchema } from "@drawbridge/alert-rules";
import { uuidV7Ids } from "@drawbridge/lifecycle";
import { openStore, type Store } from "@drawbridge/store";
import { createTestLogger, startTestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AlertingDatabase } from "../src/store/database.ts";
import { createIncidents, type Incidents } from "../src/store/incidents.ts";
import { createRuleSets, type RuleSets } from "../src/store/rule-sets.ts";

const cleanup = new AsyncDisposableStack();
let store: Store<AlertingDatabase>;
let incidents: Incidents;
let ruleSets: RuleSets;

beforeAll(async () => {
  const postgres = cleanup.use(await startTestPostgres());
  const migrations = join(import.meta.dirname, "../migrations");
  const database = cleanup.use(await postgres.createDatabase({ schema: "alerting", migrations }));
  const { logger } = createTestLogger();
  store = openStore<AlertingDatabase>({ url: database.url, schema: "alerting", logger });
  await store.start(new AbortController().signal);
  cleanup.defer(() => store.stop(AbortSignal.timeout(1_000)));
  incidents = createIncidents(store, () => uuidV7Ids.next());
  ruleSets = createRuleSets(store);
});
afterAll(() => cleanup.disposeAsync());

const now = new Date("2026-03-01T00:00:00Z");
const at = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000);
const rulesOf = (...names: string[]) =>
  alertRulesSchema.parse(names.map((name) => ({ name, metric: { figure: "errors" }, above: 0 })));
const apply = (environment: string, ...names: string[]) =>
  ruleSets.apply({
    environment,
    rules: rulesOf(...names),
    baseVersion: undefined,
    mode: "apply",
    by: "ada",
    now,
    ofFile: [],
  });
const ruleOf = (environment: string, name: string) => {
  const [rule] = rulesOf(name);
  if (!rule) throw new Error("there is a rule of each name");
  return { ...rule, environment };
};
const statesOf = async (environment: string) => {
  const rows = await store.db
    .selectFrom("rule_state")
    .select("rule")
    .where("environment", "=", environment)
    .orderBy("rule")
    .execute();
  return rows.map(({ rule }) => rule);
};

test("a rule that is removed during a pass is not looked at by it any more", async () => {
  await apply("removed", "stays", "goes");
  const take = (name: string, seconds: number, from: "file" | "applied" = "applied") =>
    incidents.take(ruleOf("removed", name), { now: at(seconds), everyMs: 1_000, from });
  expect([await take("stays", 0), await take("goes", 0)]).toEqual([true, true]);
  await apply("removed", "stays");
  expect([await take("stays", 2), await take("goes", 2)]).toEqual([true, false]);
  expect(await statesOf("removed")).toEqual(["stays"]);
  expect(await take("goes", 4, "file")).toBe(true);
});

test("a turn waits for the end of a change of the rules", async () => {
  await apply("changing", "goes");
  const take = () => incidents.take(ruleOf("changing", "goes"), { now: at(0), everyMs: 1_000, from: "applied" });
  const results = await Promise.all([apply("changing", "stays"), ...Array.from({ length: 8 }, take)]);
  expect(results.slice(1)).toContain(false);
  expect(await statesOf("changing")).toEqual([]);
});

test("rules of a newer version, read after it was put back, stop no other environment and can be replaced", async () => {
  await apply("older", "looked-at");
  await apply("newer", "beyond");
  const metric = { figure: "not known yet" };
  await store.db
    .updateTable("rule_set")
    .set({ rules: JSON.stringify([{ name: "beyond", metric, above: 0 }]) })
    .where("environment", "=", "newer")
    .execute();
  const { rules, unreadable } = await ruleSets.all();
  expect(unreadable).toEqual(["newer"]);
  expect(rules.map(({ name }) => name)).toContain("looked-at");
  await expect(ruleSets.read("newer")).rejects.toMatchObject({
    code: "ALERT_RULES_UNREADABLE",
    message: expect.stringContaining('version 1 of the alert rules of "newer"') as string,
  });
  expect(await apply("newer")).toMatchObject({ version: 2 });
  expect(await ruleSets.read("newer")).toMatchObject({ version: 2, rules: [] });
});
