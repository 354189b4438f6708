import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { saveIdentityDir } from "@drawbridge/pki";
import {
  createMonitoringIngestProcess,
  createTestCa,
  monitoringIngestMigrations,
  startTestNats,
  startTestPostgres,
  tempDir,
  type MonitoringIngestProcess,
  type TestCa,
} from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startScriptedAuthority, type ScriptedAuthority } from "./support/scripted-authority.ts";
import { checkIn, openWire, send } from "./support/world.ts";

let stack: AsyncDisposableStack;
let ca: TestCa;
let authority: ScriptedAuthority;
let ingest: MonitoringIngestProcess;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir());
  const postgres = stack.use(await startTestPostgres());
  const database = stack.use(
    await postgres.createDatabase({ schema: "monitoring_ingest", migrations: monitoringIngestMigrations }),
  );
  ca = await createTestCa();
  authority = stack.use(await startScriptedAuthority(ca));
  const identityDir = join(dir.path, "identity");
  await saveIdentityDir(identityDir, await ca.issueService("monitoring-ingest"), new Date());
  ingest = stack.use(
    await createMonitoringIngestProcess({
      dir: dir.path,
      database,
      identityDir,
      certAuthorityAddress: authority.address,
      nats: stack.use(await startTestNats()),
    }),
  );
  await ingest.start();
});
afterAll(() => stack.disposeAsync());

const aCollector = (ttlSeconds: number) =>
  ca.issueCollector({ org: "acme", fabricId: randomUUID() }, { now: new Date(), ttlSeconds });

test("a live connection ends with its certificate, and neither it nor a kept TLS session opens another (R9, R26 j)", async () => {
  const identity = await aCollector(6);
  using wire = await openWire(ingest.fabricAddress, identity);
  const sessions: Buffer[] = [];
  wire.socket.on("session", (session: Buffer) => void sessions.push(session));
  expect((await wire.post(checkIn())).status).toBe(200);
  const kept = wire.socket.getSession();
  if (kept !== undefined) sessions.push(kept);

  await wire.closed; // by the server: this side sends nothing
  expect(Date.now()).toBeGreaterThanOrEqual(identity.notAfter.getTime());
  expect(sessions).not.toEqual([]);
  await expect(send(ingest.fabricAddress, identity)).rejects.toThrow();
  for (const session of sessions) {
    // The client has its certificate accepted or not only with the first answer: TLS 1.3.
    const again = openWire(ingest.fabricAddress, identity, session).then(async (opened) => {
      using used = opened;
      return await used.post(checkIn());
    });
    await expect(again).rejects.toThrow();
  }
});

test("a certificate that cert-authority never issued is refused; one that it has forgotten goes on (R17)", async () => {
  const [known, unknown] = [await aCollector(600), await aCollector(600)];
  expect((await send(ingest.fabricAddress, known)).status).toBe(200);
  authority.forgotten.add(known.serialNumber).add(unknown.serialNumber);
  const refused = await send(ingest.fabricAddress, unknown);
  expect([refused.status, refused.body["code"]]).toEqual([401, "CERTIFICATE_UNKNOWN"]);
  await ingest.kill(); // forgets what it remembers in memory
  await ingest.start();
  expect((await send(ingest.fabricAddress, known)).status).toBe(200);
});
