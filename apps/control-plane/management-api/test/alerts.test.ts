import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { RevocationServiceService } from "@drawbridge/contracts/certs/v1/revocation_service";
import { IdentityHolder, saveIdentityDir, trustBundleToJson } from "@drawbridge/pki";
import { createGrpcServer, defineGrpcService } from "@drawbridge/rpc";
import { alertingMigrations, createAlertingProcess, freePort, startTestPostgres, tempDir } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "./support/control-plane.ts";
import { startApi, type TestApi } from "./support/start-api.ts";

const cleanup = new AsyncDisposableStack();
const told: { readonly kind: string; readonly series: string; readonly incidentId: string }[] = [];
let world: TestApi;
let folder: string;
let viewerOfTest: string;

/** A receiver of webhooks on this machine. */
async function startHook(): Promise<string> {
  const hook = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => void (body += String(piece)));
    request.on("end", () => {
      told.push(JSON.parse(body) as (typeof told)[number]); // alerting's own words
      response.writeHead(204).end();
    });
  });
  hook.listen(0, "127.0.0.1");
  await once(hook, "listening");
  cleanup.defer(() => void hook.close());
  return `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`; // it listens on a port
}

/** Nobody's certificate is revoked. */
async function startRevocations(): Promise<string> {
  const server = createGrpcServer({
    name: "cert-authority",
    listen: { host: "127.0.0.1", port: 0 },
    identity: new IdentityHolder(await world.ca.issueService("cert-authority")),
    clientCertificate: "required",
    services: [
      defineGrpcService(RevocationServiceService, {
        allow: { listRevocations: [{ service: "alerting" }] },
        handlers: { listRevocations: async () => ({ revocations: [], nextPosition: 0n, more: false, listId: "l-1" }) },
      }),
    ],
    logger: world.logs.logger,
  });
  await server.start(new AbortController().signal);
  cleanup.defer(() => server.stop(AbortSignal.abort()));
  return `127.0.0.1:${server.address().port}`;
}

beforeAll(async () => {
  const address = `127.0.0.1:${await freePort()}`;
  world = cleanup.use(await startApi({ env: { DRAWBRIDGE_ALERTING_ADDRESS: address } }));
  folder = cleanup.use(await tempDir()).path;
  const postgres = cleanup.use(await startTestPostgres());
  const database = cleanup.use(await postgres.createDatabase({ schema: "alerting", migrations: alertingMigrations }));
  const identityDir = join(folder, "identity");
  await saveIdentityDir(identityDir, await world.ca.issueService("alerting"), new Date());
  const secretFile = join(folder, "secret");
  await writeFile(secretFile, "a secret of the receiver, long enough");
  const alerting = cleanup.use(
    await createAlertingProcess({
      dir: folder,
      database,
      identityDir,
      certAuthorityAddress: await startRevocations(),
      analyticsIngestAddress: world.addressOf("analytics-ingest"),
      nats: world.nats,
      address,
      rules: `receivers: [{ name: on-call, webhook: { url: "${await startHook()}", secretFile: ${secretFile}, allowLoopbackHttp: true } }]`,
    }),
  );
  await alerting.start();
  viewerOfTest = await world.createUser("viewer", [{ role: "viewer", environment: "sandbox" }]);
  await mkdir(join(folder, "cli"));
  const login = { url: world.url, username: "admin", token: world.adminToken, expiresAt: "2126-01-01T00:00:00Z" };
  const context = { ...login, trustBundle: trustBundleToJson(world.ca.trustBundle) };
  await writeFile(join(folder, "cli/context.json"), JSON.stringify(context), { mode: 0o600 });
}, 120_000);
afterAll(() => cleanup.disposeAsync());

const rate = (value: number): void => {
  world.analytics.figures = {
    ...world.analytics.figures,
    rows: [{ bucket: undefined, group: ["orders"], values: [value] }],
  };
};
const cli = async (...args: readonly string[]) => {
  const ran = await runCli(join(folder, "cli"), ["alert", ...args, "-o", "json"]);
  expect(ran.exitCode, ran.stderr).toBe(0);
  return JSON.parse(ran.stdout) as unknown;
};
const alerts = async (state: string, token = world.adminToken) =>
  (await world.api.call("GET", `/v1/alerts?state=${state}`, { token })).json.items;
const kinds = () => told.map(({ kind }) => kind);

test("an error rate beyond its bound is told, shown, silenced and resolved, to whoever may see its environment", async () => {
  const file = join(folder, "rules.yaml");
  const rule = "{ name: apis-fail, analytics: { figure: error-rate, by: api }, above: 0.05, receivers: [on-call] }";
  await writeFile(file, `environment: production\nrules:\n  - ${rule}\n`);
  rate(0.5);
  expect(await cli("apply", "--file", file)).toMatchObject({ version: 1, added: ["apis-fail"] });
  await expect.poll(kinds).toEqual(["firing"]);
  const shown = { environment: "production", rule: "apis-fail", series: "api=orders", incidentId: told[0]?.incidentId };
  const delivered = { receiver: "on-call", kind: "firing", state: "delivered" };
  const firing = [{ ...shown, state: "firing", value: 0.5, deliveries: [delivered] }];
  await expect.poll(() => alerts("open")).toMatchObject(firing);
  expect(await cli("list")).toMatchObject(firing);
  expect(await alerts("all", viewerOfTest)).toEqual([]);

  expect(await cli("silence", "apis-fail", "--for", "1h", "--reason", "a release")).toMatchObject({
    createdBy: "admin",
  });
  expect(await alerts("open")).toMatchObject([{ state: "firing", silenceId: expect.any(String) }]);
  rate(0.01);
  await expect.poll(kinds).toEqual(["firing", "resolved"]);
  expect(await cli("history")).toMatchObject([{ ...shown, state: "resolved" }]);

  rate(0.7);
  await expect.poll(() => alerts("firing")).toMatchObject([{ value: 0.7, deliveries: [] }]);
  const [{ silenceId }] = await alerts("firing");
  await cli("unsilence", silenceId);
  await expect.poll(kinds).toEqual(["firing", "resolved", "firing"]);
});

test("a receiver is tested, and a rule that names nobody is refused with its field", async () => {
  expect(await cli("test", "on-call")).toMatchObject({ delivered: true });
  expect(kinds().at(-1)).toBe("test");
  const rules = [{ name: "r", metric: { figure: "errors" }, above: 1, receivers: ["nobody"] }];
  const path = "/v1/environments/production/alert-rules";
  const refused = await world.api.call("PUT", path, { token: world.adminToken, body: { rules } });
  expect(refused).toMatchObject({ status: 400, json: { code: "ALERT_RULES_INVALID" } });
  expect(refused.json.errors).toContainEqual({
    field: "rules.0.receivers",
    message: expect.stringContaining("nobody"),
  });
});

test("who applied rules, silenced and tested is in the audit log", async () => {
  const { json } = await world.api.call("GET", "/v1/audit?limit=100", { token: world.adminToken });
  const actions = json.items.map(({ action, outcome }: { action: string; outcome: string }) => `${action} ${outcome}`);
  for (const action of ["alert-rule.apply", "alert-silence.create", "alert-silence.end", "alert-receiver.test"])
    expect(
      actions.some((one: string) => one.startsWith(action)),
      action,
    ).toBe(true);
});
