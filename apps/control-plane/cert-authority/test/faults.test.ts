import { connectBus, type Bus } from "@drawbridge/bus";
import { eventCodecs } from "@drawbridge/contracts";
import { systemClock } from "@drawbridge/lifecycle";
import { createCsr, generateKeyPair } from "@drawbridge/pki";
import { openStore } from "@drawbridge/store";
import {
  createTestLogger,
  startPrivateTestPostgres,
  startTestNats,
  type PrivateTestPostgres,
  type TestNats,
} from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CertAuthorityDb } from "../src/store/schema.ts";
import {
  agentRequest,
  bootstrap,
  createFiles,
  migrations,
  startAuthority,
  type AuthorityClient,
  type RunningAuthority,
} from "./harness.ts";

const stack = new AsyncDisposableStack();
let postgres: PrivateTestPostgres;
let nats: TestNats;
let databaseUrl: string;
let authority: RunningAuthority;
let activation: AuthorityClient;

beforeAll(async () => {
  postgres = stack.use(await startPrivateTestPostgres());
  nats = stack.use(await startTestNats());
  const database = await postgres.createDatabase({ schema: "cert_authority", migrations });
  databaseUrl = database.url;
  const backing = { databaseUrl, nats };
  const files = stack.use(await createFiles(backing));
  await bootstrap(files);
  authority = stack.use(await startAuthority(files, backing, { DRAWBRIDGE_ISSUE_QUEUE_LIMIT: "64" }));
  activation = await authority.clientOf("activation");
}, 120_000);

afterAll(() => stack.disposeAsync(), 60_000);

async function until<T>(read: () => Promise<T | undefined>): Promise<T> {
  const deadline = AbortSignal.timeout(240_000);
  for (;;) {
    const found = await read();
    if (found !== undefined) return found;
    await systemClock.sleep(20, deadline);
  }
}

async function withBus<T>(work: (bus: Bus) => Promise<T>): Promise<T> {
  const bus = connectBus({
    url: nats.url,
    credentials: nats.credentials,
    name: "test",
    logger: createTestLogger().logger,
  });
  await bus.start(AbortSignal.timeout(240_000));
  try {
    return await work(bus);
  } finally {
    await bus.stop(AbortSignal.timeout(5_000));
  }
}

test("announces each certificate on the bus, under its fabric", async () => {
  await withBus(async (bus) => {
    const fabricId = "018f0000-0000-7000-8000-0000000000e1";
    const seen = Promise.withResolvers<string>();
    const subscription = bus.subscribe(`drawbridge.certs.certificate.issued.v1.${fabricId}`, ({ data }) =>
      seen.resolve(Buffer.from(data).toString()),
    );
    const { certificate } = await activation.issueFabricCertificate(await agentRequest({ fabricId }));
    const payload = eventCodecs["certs.certificate.issued.v1"].fromJSON(JSON.parse(await seen.promise));
    expect(payload).toMatchObject({ serialNumber: certificate?.serialNumber, spiffeId: certificate?.spiffeId });
    await subscription.close();
  });
});

test("an overloaded authority says so and when to come back, and serves who was admitted (R14)", async () => {
  const csrDer = await createCsr(await generateKeyPair());
  const requests = await Promise.all(Array.from({ length: 400 }, () => agentRequest({ csrDer })));
  const outcomes = await Promise.allSettled(requests.map((request) => activation.issueFabricCertificate(request)));
  const refused = outcomes.filter((outcome) => outcome.status === "rejected").map(({ reason }) => reason as unknown);
  expect(outcomes.length - refused.length).toBeGreaterThanOrEqual(64);
  for (const reason of refused) {
    expect(reason).toMatchObject({ kind: "unavailable", code: "ISSUE_OVERLOADED", retryAfterMs: 250 });
  }
});

test("killed in the middle, the database never makes us hand out a certificate that is not in the table (ACT 8)", async () => {
  const csrDer = await createCsr(await generateKeyPair());
  const stopping = new AbortController();
  const handedOut: string[] = [];
  const unanswered: string[] = [];
  const load = Array.from({ length: 16 }, async () => {
    while (!stopping.signal.aborted) {
      const request = await agentRequest({ csrDer });
      try {
        const { certificate } = await activation.issueFabricCertificate(request);
        handedOut.push(certificate?.serialNumber ?? "");
      } catch (error) {
        expect(error).toMatchObject({ kind: expect.stringMatching(/^(unavailable|aborted|deadline_exceeded)$/) });
        unanswered.push(request.requestId);
        await systemClock.sleep(5);
      }
    }
  });
  await until(() => Promise.resolve(handedOut.length > 50 ? true : undefined));
  await postgres.kill();
  await until(() => Promise.resolve(unanswered.length > 0 ? true : undefined));
  await postgres.start();
  const before = handedOut.length;
  await until(() => Promise.resolve(handedOut.length > before + 50 ? true : undefined)); // it recovers by itself
  stopping.abort();
  await Promise.all(load);

  const store = openStore<CertAuthorityDb>({
    url: databaseUrl,
    schema: "cert_authority",
    logger: createTestLogger().logger,
  });
  await store.start(AbortSignal.timeout(240_000));
  const rows = await store.db.selectFrom("certificate").select(["serial_number", "request_id"]).execute();
  await store.stop(AbortSignal.timeout(5_000));
  const recorded = new Set(rows.map((row) => row.serial_number));
  expect(handedOut.filter((serialNumber) => !recorded.has(serialNumber))).toEqual([]);

  const byRequest = new Map(rows.map((row) => [row.request_id, row.serial_number]));
  for (const requestId of unanswered.slice(0, 20)) {
    const retried = await activation.issueFabricCertificate(await agentRequest({ csrDer, requestId }));
    const serialNumber = retried.certificate?.serialNumber;
    expect(serialNumber).toBe(byRequest.get(requestId) ?? serialNumber); // committed and not answered: the same one
  }
});

test("goes on issuing while the bus is away, and announces afterwards", async () => {
  const fabricId = "018f0000-0000-7000-8000-0000000000b5";
  await nats.kill();
  const { certificate } = await activation.issueFabricCertificate(await agentRequest({ fabricId }));
  expect(certificate?.serialNumber).toBeDefined();
  await nats.start();
  await withBus(async (bus) => {
    const seen = Promise.withResolvers<void>();
    const subscription = bus.subscribe(`drawbridge.certs.certificate.issued.v1.${fabricId}`, () => seen.resolve());
    await activation.issueFabricCertificate(await agentRequest({ fabricId }));
    await seen.promise;
    await subscription.close();
  });
});
