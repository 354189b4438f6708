import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { alertRulesSchema } from "@drawbridge/alert-rules";
import { Secret } from "@drawbridge/config";
import { Measure } from "@drawbridge/contracts/analytics/v1/analytics_service";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createServerCertificate, freePort } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createMail } from "../src/delivery/mail.ts";
import { createWebhook } from "../src/delivery/webhook.ts";
import { createIncidents } from "../src/store/incidents.ts";
import { createNotifications } from "../src/store/notifications.ts";
import { type AlertingWorld, hookSecret as secret, startAlerting } from "./support/alerting-world.ts";

const forever = new AbortController().signal;
let world: AlertingWorld;
let hook: AlertingWorld["hook"];
let mail: AlertingWorld["mail"];
let store: AlertingWorld["store"];
let figures: AlertingWorld["figures"];
let asked: AlertingWorld["asked"];

const rules = ({ hookUrl, secretFile }: { readonly hookUrl: string; readonly secretFile: string }) => `
receivers:
  - { name: on-call, webhook: { url: "${hookUrl}", secretFile: ${secretFile}, allowLoopbackHttp: true } }
  - { name: team, email: { to: [team@example.com, second@example.com] } }
rules:
  - name: orders-fail
    environment: production
    analytics: { figure: error-rate, by: api }
    above: 0.05
    summary: Look at the order service first.
    receivers: [on-call]
  - name: memory
    environment: production
    metric: { figure: memory-share, app: orders }
    above: 0.9
    receivers: [team]
`;

beforeAll(async () => {
  world = await startAlerting({ replicas: ["alerting-0", "alerting-1"], rules });
  ({ hook, mail, store, figures, asked } = world);
}, 120_000);
afterAll(() => world[Symbol.asyncDispose]());

const bodies = () => hook.told.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
const looks = async (count: number): Promise<void> => {
  const from = asked.length;
  await expect.poll(() => asked.length).toBeGreaterThan(from + count);
};

test("an error rate above its bound is told once by two replicas, signed, and once that it is over", async () => {
  figures.errorRate.set("orders", 0.5).set("bills", 0.01);
  await expect.poll(bodies).toHaveLength(1);
  await looks(5);
  expect(bodies()).toEqual([
    {
      notificationId: expect.any(String),
      incidentId: expect.any(String),
      kind: "firing",
      rule: "orders-fail",
      environment: "production",
      series: "api=orders",
      figure: "error-rate",
      bound: "above 0.05",
      value: 0.5,
      since: expect.any(String),
      at: expect.any(String),
      summary: "Look at the order service first.",
    },
  ]);
  const [told] = hook.told;
  const { "drawbridge-timestamp": timestamp, "drawbridge-signature": signature } = told?.headers ?? {};
  const expected = createHmac("sha256", secret)
    .update(`${String(timestamp)}.${told?.body}`)
    .digest("hex");
  expect(signature).toBe(`v1=${expected}`);
  expect(asked.at(-1)).toMatchObject({
    selection: { environments: ["production"], filters: [] },
    measures: [Measure.MEASURE_ERROR_RATE],
  });

  figures.errorRate.set("orders", 0.02);
  await expect.poll(bodies).toHaveLength(2);
  await looks(5);
  expect(bodies().slice(1)).toMatchObject([{ kind: "resolved", incidentId: bodies()[0]?.["incidentId"] }]);
});

test("what fires goes on firing while nobody knows the figures", async () => {
  const before = hook.told.length;
  figures.errorRate.set("orders", 0.9);
  await expect.poll(() => hook.told.length).toBe(before + 1);
  figures.isAnalyticsAway = true;
  await looks(3);
  figures.isAnalyticsAway = false;
  await looks(3);
  expect(hook.told).toHaveLength(before + 1);
  figures.errorRate.clear();
  await expect.poll(() => bodies().slice(before)).toMatchObject([{ kind: "firing" }, { kind: "resolved" }]);
});

test("a receiver that fails, or sends elsewhere, is told again, with the same name of the delivery", async () => {
  const before = hook.told.length;
  hook.status = 307;
  figures.errorRate.set("orders", 0.7);
  await expect.poll(() => hook.told.length).toBeGreaterThan(before + 1);
  hook.status = 204;
  const waiting = () => store.db.selectFrom("notification").select("state").where("state", "!=", "delivered").execute();
  await expect.poll(waiting).toEqual([]);
  const deliveries = hook.told.slice(before).map(({ headers }) => headers["drawbridge-delivery"]);
  expect(deliveries.length).toBeGreaterThan(1);
  expect(new Set(deliveries).size).toBe(1);
  figures.errorRate.clear();
});

test("a figure of an app is told by mail to all of its addresses", async () => {
  figures.memoryShare = 0.95;
  await expect.poll(() => mail.mails).toHaveLength(1);
  const [text = ""] = mail.mails;
  expect(text).toContain("Subject: [firing] memory in production (app=orders fabric=f-1)");
  expect(text).toContain("To: team@example.com, second@example.com");
  expect(text).toContain("From: alerts@example.com");
  expect(text).toContain("memory-share is to be told when it is above 0.9");
  figures.memoryShare = 0.1;
  await expect.poll(() => mail.mails).toHaveLength(2);
});

const content = {
  notificationId: randomUUID(),
  incidentId: randomUUID(),
  kind: "firing" as const,
  rule: "r",
  environment: "e",
  series: "",
  figure: "errors",
  bound: "above 1",
  value: 2,
  since: "",
  at: "",
  summary: "",
};
const webhookTo = (url: string, addresses: readonly string[]) =>
  createWebhook({
    url,
    allowLoopbackHttp: true,
    secret: new Secret(secret),
    clock: systemClock,
    resolve: (_name, _options, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      ),
  });

test.each([[["169.254.169.254"]], [["127.0.0.1", "169.254.169.254"]]])(
  "no webhook asks a name that leads to %j, and nothing arrives there",
  async (addresses) => {
    const before = hook.told.length;
    const url = hook.url.replace("127.0.0.1", "localhost");
    const result = await webhookTo(url, addresses)(content, forever);
    expect(result).toEqual({
      outcome: "failed",
      problem: "its name leads to a link-local or metadata address",
      ends: "later",
    });
    expect(hook.told).toHaveLength(before);
  },
);

test.each([
  [410, { outcome: "failed", problem: "it answered 410", ends: "for good" }],
  [500, { outcome: "failed", problem: "it answered 500", ends: "later" }],
  [200, { outcome: "delivered" }],
])("an answer of %d is %j", async (status, result) => {
  hook.status = status;
  expect(await webhookTo(hook.url.replace("127.0.0.1", "localhost"), ["127.0.0.1"])(content, forever)).toEqual(result);
  hook.status = 204;
});

test("a server whose certificate nobody vouches for is told nothing", async () => {
  const { certificatePem: cert, privateKeyPem: key } = await createServerCertificate(["localhost"]);
  let requests = 0;
  const server = createHttpsServer({ cert, key }, (_request, response) => {
    requests += 1;
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on a port
  const result = await webhookTo(`https://localhost:${port}/`, ["127.0.0.1"])(content, forever);
  server.closeAllConnections();
  server.close();
  expect(result).toMatchObject({ outcome: "failed", problem: expect.stringMatching(/CERT|SIGNATURE/), ends: "later" });
  expect(requests).toBe(0);
});

test("a mail server that is away is told of without the login", async () => {
  const server = new Secret(`smtps://user:a-password@127.0.0.1:${await freePort()}`);
  const result = await createMail({ server, from: "a@example.com", to: ["b@example.com"] })(content, forever);
  expect(result).toEqual({
    outcome: "failed",
    problem: "the mail server cannot be used (ESOCKET)",
    ends: "later",
  });
});

test("a rule is looked at in turn, also when a clock that was ahead was set right", async () => {
  const incidents = createIncidents(store, () => uuidV7Ids.next());
  const now = new Date();
  const at = (seconds: number) => ({
    now: new Date(now.getTime() + seconds * 1_000),
    everyMs: 30_000,
    from: "file" as const,
  });
  const [rule] = alertRulesSchema.parse([{ name: "turns", metric: { figure: "errors" }, above: 0 }]);
  if (!rule) throw new Error("there is a rule above");
  const take = (seconds: number) => incidents.take({ ...rule, environment: "turns" }, at(seconds));
  expect([await take(0), await take(29), await take(30), await take(-3_600)]).toEqual([true, false, true, true]);
});

test("what a replica has in hand nobody else tells, until it was away for too long", async () => {
  const notifications = createNotifications(store);
  const long = 86_400_000; // later than anything that the replicas look for
  const at = new Date(Date.now() + long);
  await store.db
    .insertInto("notification")
    .values({
      notification_id: content.notificationId,
      incident_id: content.incidentId,
      kind: content.kind,
      receiver: "on-call",
      content: JSON.stringify(content),
      created_at: at,
      next_attempt_at: at,
      attempts: 0,
      state: "waiting",
      last_problem: "",
    })
    .execute();
  const claim = (seconds: number) => {
    const now = new Date(at.getTime() + seconds * 1_000);
    return notifications.claim({ now, until: new Date(now.getTime() + 60_000), limit: 10 });
  };
  expect(await claim(-1)).toEqual([]);
  expect(await claim(0)).toMatchObject([{ notificationId: content.notificationId, attempts: 1 }]);
  expect(await claim(59)).toEqual([]);
  expect(await claim(60)).toMatchObject([{ notificationId: content.notificationId, attempts: 2 }]);
  await notifications.delivered(content.notificationId);
  expect(await claim(600)).toEqual([]);
});
