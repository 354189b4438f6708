import { randomUUID } from "node:crypto";
import { alertRulesSchema, alertRuleToMessage } from "@drawbridge/alert-rules";
import { AlertState, RuleState } from "@drawbridge/contracts/alerting/v1/alert_service";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AlertingWorld, startAlerting } from "./support/alerting-world.ts";

const receivers = ({ hookUrl, secretFile }: { readonly hookUrl: string; readonly secretFile: string }) => `
receivers:
  - { name: on-call, webhook: { url: "${hookUrl}", secretFile: ${secretFile}, allowLoopbackHttp: true } }
  - { name: of-test, environments: [test], email: { to: [test@example.com] } }
`;
const ofFile = `rules:
  - { name: memory, environment: production, metric: { figure: memory-share }, above: 0.9 }
`;
let world: AlertingWorld;
beforeAll(async () => {
  world = await startAlerting({ replicas: ["alerting-0"], rules: (at) => receivers(at) + ofFile });
}, 120_000);
afterAll(() => world[Symbol.asyncDispose]());

const environment = "production";
const ordersFail = {
  name: "orders-fail",
  analytics: { figure: "error-rate", by: "api" },
  above: 0.05,
  receivers: ["on-call"],
};
const apply = (rules: readonly unknown[], rest: { dryRun?: boolean; baseVersion?: number } = {}) =>
  world.call.applyRules({
    environment,
    rules: alertRulesSchema.parse(rules).map(alertRuleToMessage),
    requestedBy: "ada",
    dryRun: false,
    ...rest,
  });
const rule = async (name: string) =>
  (await world.call.listRules({ environment, rule: "" })).rules.find((one) => one.rule?.name === name);
const stateOf = async (name: string) => (await rule(name))?.state;
const list = (...states: AlertState[]) =>
  world.call.listAlerts({ environments: [environment], states, rule: "orders-fail", pageSize: 100, pageToken: "" });
const told = () =>
  world.hook.told
    .map(({ body }) => JSON.parse(body) as Record<string, unknown>)
    .map(({ kind, rule: of }) => [kind, of]);

test("nobody but management-api is answered", async () => {
  const others = await world.clientAs("runtime-manager");
  await expect(others.listReceivers({ environment })).rejects.toMatchObject({ kind: "permission_denied" });
});

test("rules are applied as a whole, by version, and the same again makes none", async () => {
  expect(await apply([ordersFail], { dryRun: true })).toMatchObject({ version: 0, added: ["orders-fail"] });
  expect(await apply([ordersFail])).toMatchObject({ version: 1, added: ["orders-fail"], changed: [], removed: [] });
  expect(await apply([ordersFail])).toMatchObject({ version: 1, added: [], changed: [], removed: [] });
  const changed = { ...ordersFail, windowSeconds: 600 };
  expect(await apply([changed], { baseVersion: 1 })).toMatchObject({ version: 2, changed: ["orders-fail"] });
  await expect(apply([ordersFail], { baseVersion: 1 })).rejects.toMatchObject({ code: "ALERT_RULES_CHANGED" });
  const { version, appliedBy, rules } = await world.call.listRules({ environment, rule: "" });
  expect({ version, appliedBy, rules: rules.map((one) => [one.rule?.name, one.isOfFile]) }).toEqual({
    version: 2,
    appliedBy: "ada",
    rules: [
      ["memory", true],
      ["orders-fail", false],
    ],
  });
});

test.each([
  [{ ...ordersFail, receivers: ["nobody"] }, "rules.0.receivers", "there is no receiver nobody"],
  [{ ...ordersFail, receivers: ["of-test"] }, "rules.0.receivers", "there is no receiver of-test for production"],
  [{ ...ordersFail, name: "memory" }, "rules.0.name", "is a rule of the operator's file"],
])("a rule is refused with the field that is wrong: %j", async (wrong, field, message) => {
  await expect(apply([wrong])).rejects.toMatchObject({
    code: "ALERT_RULES_INVALID",
    details: { [`field:${field}`]: expect.stringContaining(message) },
  });
});

test("a rule says whether it is fine, fires, knows no figure or cannot be looked at", async () => {
  await expect.poll(() => stateOf("orders-fail")).toBe(RuleState.RULE_STATE_NO_DATA);
  world.figures.errorRate.set("bills", 0.01);
  await expect.poll(() => stateOf("orders-fail")).toBe(RuleState.RULE_STATE_OK);
  world.figures.errorRate.set("orders", 0.5);
  await expect.poll(() => stateOf("orders-fail")).toBe(RuleState.RULE_STATE_FIRING);
  const { rules } = await world.call.listRules({ environment, rule: "orders-fail" });
  expect(rules).toMatchObject([
    {
      value: 0.5,
      firing: 1,
      problem: "",
      series: [
        { series: "api=orders", value: 0.5 },
        { series: "api=bills", value: 0.01 },
      ],
    },
  ]);
  await expect
    .poll(async () => (await list()).alerts[0]?.deliveries)
    .toMatchObject([{ receiver: "on-call", kind: "firing", state: "delivered", attempts: 1, problem: "" }]);
  world.figures.isTooSlow = true;
  await expect.poll(async () => (await rule("orders-fail"))?.problem).toContain("COLUMNAR_QUERY_TIMEOUT");
  expect(await stateOf("orders-fail")).toBe(RuleState.RULE_STATE_FIRING);
  world.figures.isTooSlow = false;
  world.figures.errorRate.set("orders", 0.01);
  await expect.poll(async () => (await list(AlertState.ALERT_STATE_RESOLVED)).alerts.length).toBe(1);
});

test("of what is silenced nobody is told, until somebody ends the silence", async () => {
  await expect.poll(told).toEqual([
    ["firing", "orders-fail"],
    ["resolved", "orders-fail"],
  ]);
  const begin = { requestId: randomUUID(), environment, rule: "orders-fail", series: "api=orders" };
  const until = new Date(Date.now() + 3_600_000);
  const request = { ...begin, until, reason: "we know", requestedBy: "ada" };
  const { silence } = await world.call.createSilence(request);
  const again = await world.call.createSilence(request);
  expect(again.silence?.silenceId).toBe(silence?.silenceId);
  world.figures.errorRate.set("orders", 0.5);
  await expect
    .poll(async () => (await list()).alerts)
    .toMatchObject([{ state: AlertState.ALERT_STATE_FIRING, silenceId: begin.requestId, deliveries: [] }]);
  expect(world.hook.told).toHaveLength(2);
  await world.call.endSilence({ environment, silenceId: begin.requestId, requestedBy: "bob" });
  await expect.poll(() => told().slice(2)).toEqual([["firing", "orders-fail"]]);
  const { silences } = await world.call.listSilences({ environment, includeEnded: true });
  expect(silences).toMatchObject([{ createdBy: "ada", endedBy: "bob", reason: "we know" }]);
  expect((await world.call.listSilences({ environment, includeEnded: false })).silences).toEqual([]);
});

test("a rule that is taken away while it fires is withdrawn without a word", async () => {
  expect(await apply([])).toMatchObject({ removed: ["orders-fail"] });
  expect((await list(AlertState.ALERT_STATE_WITHDRAWN)).alerts).toHaveLength(1);
  expect((await list()).alerts).toEqual([]);
  expect(told()).toHaveLength(3);
});

test("pages of the history go on where the one before ended", async () => {
  const states = [AlertState.ALERT_STATE_RESOLVED, AlertState.ALERT_STATE_WITHDRAWN];
  const page = (pageToken: string) =>
    world.call.listAlerts({ environments: [environment], states, rule: "", pageSize: 1, pageToken });
  const first = await page("");
  const second = await page(first.nextPageToken);
  expect([...first.alerts, ...second.alerts].map(({ state }) => state)).toEqual(states.toReversed());
  expect(second.nextPageToken).toBe("");
  await expect(page("nonsense")).rejects.toMatchObject({ code: "PAGE_TOKEN_INVALID" });
});

test("a receiver is tested at once, says what came back, and not twice in a moment", async () => {
  const test_ = { environment, receiver: "on-call", requestedBy: "ada" };
  world.hook.status = 500;
  expect(await world.call.testReceiver(test_)).toMatchObject({ isDelivered: false, problem: "it answered 500" });
  world.hook.status = 204;
  await expect(world.call.testReceiver(test_)).rejects.toMatchObject({ code: "ALERT_RECEIVER_BUSY" });
  await expect(world.call.testReceiver({ ...test_, receiver: "of-test" })).rejects.toMatchObject({
    code: "ALERT_RECEIVER_NOT_FOUND",
  });
  expect(JSON.parse(world.hook.told.at(-1)?.body ?? "")).toMatchObject({ kind: "test", environment });
  expect((await world.call.listReceivers({ environment })).receivers).toEqual([
    { name: "on-call", kind: "webhook", target: new URL(world.hook.url).host },
  ]);
});

test("the operator's file is followed; one that cannot be used changes nothing and is told of", async () => {
  const text = receivers({ hookUrl: world.hook.url, secretFile: world.secretFile });
  await world.writeRules(`${text}rules: [`);
  const problem = async () => (await world.call.listRules({ environment, rule: "" })).fileProblem;
  await expect.poll(problem).toContain("is not YAML");
  expect(await rule("memory")).toBeDefined();
  await world.writeRules(text + ofFile.replace("memory,", "storage,"));
  await expect.poll(() => rule("storage")).toBeDefined();
  expect([await rule("memory"), await problem()]).toEqual([undefined, ""]);
});
