import { randomUUID } from "node:crypto";
import { CertificateState } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { fromGrpcError } from "@drawbridge/rpc";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkIn, openWire, send, startWorld, type World } from "./support/world.ts";

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

test("a check-in is answered with the time and the interval, and management-api sees the collector (REN 7)", async () => {
  const fabricId = randomUUID();
  const identity = await world.issue("collector", fabricId);
  const before = Date.now();
  const behind = new Date(before - 3_600_000).toISOString();
  const answer = await send(world.ingest.fabricAddress, identity, checkIn({ time: behind }));
  expect(answer.status).toBe(200);
  expect(answer.body["intervalMs"]).toBe(50);
  expect(Date.parse(String(answer.body["serverTime"]))).toBeGreaterThanOrEqual(before);

  const { collector } = await (await world.collectorsAs("management-api")).getCollector({ fabricId });
  expect(collector).toMatchObject({
    fabricId,
    certificateSerial: identity.serialNumber,
    certificateNotAfter: identity.notAfter,
    version: "1.2.3",
    certificatesSeen: 1,
  });
  expect(Number(collector?.clockSkewMs)).toBeLessThanOrEqual(-3_600_000);
});

test("the first check-in activates the certificate at cert-authority", async () => {
  const identity = await world.issue("collector", randomUUID());
  await send(world.ingest.fabricAddress, identity);
  const { certificate } = await world.authority.getCertificate({ serialNumber: identity.serialNumber });
  expect(certificate?.state).toBe(CertificateState.CERTIFICATE_STATE_ACTIVE);
});

test("a certificate is counted once, however often and in whatever order it checks in", async () => {
  const fabricId = randomUUID();
  const [first, second] = [await world.issue("collector", fabricId), await world.issue("collector", fabricId)];
  for (const identity of [first, first, second, first, second]) await send(world.ingest.fabricAddress, identity);
  const { collector } = await (await world.collectorsAs("management-api")).getCollector({ fabricId });
  expect(collector).toMatchObject({ certificatesSeen: 2, certificateSerial: second.serialNumber });
});

test("only management-api may ask for collectors; a fabric that was never seen is COLLECTOR_NOT_SEEN", async () => {
  const codeOf = (asking: Promise<unknown>) =>
    asking.then(
      () => "answered",
      (error: unknown) => fromGrpcError(error, "monitoring-ingest").code,
    );
  const fabricId = randomUUID();
  expect(await codeOf((await world.collectorsAs("management-api")).getCollector({ fabricId }))).toBe(
    "COLLECTOR_NOT_SEEN",
  );
  expect(await codeOf((await world.collectorsAs("management-api")).getCollector({ fabricId: "x" }))).toBe(
    "COLLECTOR_NOT_SEEN",
  );
  expect(await codeOf((await world.collectorsAs("config-resolver")).getCollector({ fabricId }))).toBe(
    "CALLER_NOT_ALLOWED",
  );
});

test.each([
  ["another field", checkIn({ extra: 1 }), 400, "CHECK_IN_INVALID"],
  ["no field", "{}", 400, "CHECK_IN_INVALID"],
  ["no object", "[]", 400, "CHECK_IN_INVALID"],
  ["a boot id that is none", checkIn({ bootId: "boot" }), 400, "CHECK_IN_INVALID"],
  ["a version with spaces", checkIn({ version: "1 2" }), 400, "CHECK_IN_INVALID"],
  ["a time without zone", checkIn({ time: "2026-11-22T01:02:03" }), 400, "CHECK_IN_INVALID"],
  ["a number for a time", checkIn({ time: 1 }), 400, "CHECK_IN_INVALID"],
  ["no JSON", "{", 400, "BODY_MALFORMED"],
  ["more than 1 KiB", checkIn({ version: "1".repeat(2_000) }), 413, "BODY_TOO_LARGE"],
])("refuses a body with %s", async (_what, body, status, code) => {
  const identity = await world.issue("collector", randomUUID());
  const answer = await send(world.ingest.fabricAddress, identity, body);
  expect([answer.status, answer.body["code"]]).toEqual([status, code]);
});

test("refuses an agent's certificate with 403: the monitoring connection is the collector's alone", async () => {
  const answer = await send(world.ingest.fabricAddress, await world.issue("agent", randomUUID()));
  expect([answer.status, answer.body["code"]]).toEqual([403, "CALLER_NOT_ALLOWED"]);
});

test("refuses a certificate that was revoked before it was first seen", async () => {
  const identity = await world.issue("collector", randomUUID());
  const target = { $case: "serialNumber", value: identity.serialNumber } as const;
  await world.authority.revokeCertificates({ target, reason: "lost" });
  // A connection on which the news arrives is cut; the next one is told why.
  const answer =
    (await send(world.ingest.fabricAddress, identity).catch(() => undefined)) ??
    (await send(world.ingest.fabricAddress, identity));
  expect([answer.status, answer.body["code"]]).toEqual([403, "CERTIFICATE_REVOKED"]);
});

test("a certificate that was revoked after it was known is refused, with cert-authority away, too", async () => {
  const identity = await world.issue("collector", randomUUID());
  expect((await send(world.ingest.fabricAddress, identity)).status).toBe(200);
  const target = { $case: "serialNumber", value: identity.serialNumber } as const;
  await world.authority.revokeCertificates({ target, reason: "lost" });
  await world.ingest.kill(); // so that the answer of a moment ago is forgotten, and not only in 30 s
  await world.ingest.start();
  const codes = [(await send(world.ingest.fabricAddress, identity)).body["code"]];
  await world.certAuthority.kill();
  try {
    codes.push((await send(world.ingest.fabricAddress, identity)).body["code"]);
  } finally {
    await world.certAuthority.start();
  }
  expect(codes).toEqual(["CERTIFICATE_REVOKED", "CERTIFICATE_REVOKED"]);
});

test("with cert-authority away a known certificate goes on, over kill -9 too, and a new one gets 503 with Retry-After", async () => {
  const fabricId = randomUUID();
  const [known, fresh] = [await world.issue("collector", fabricId), await world.issue("collector", fabricId)];
  await send(world.ingest.fabricAddress, known);
  await world.certAuthority.kill();
  try {
    expect((await send(world.ingest.fabricAddress, known)).status).toBe(200);
    await world.ingest.kill();
    await world.ingest.start();
    expect((await send(world.ingest.fabricAddress, known)).status).toBe(200);
    const refused = await send(world.ingest.fabricAddress, fresh);
    expect([refused.status, refused.body["code"]]).toEqual([503, "CERTIFICATE_STANDING_UNKNOWN"]);
    expect(refused.headers).toMatch(/^retry-after: [1-9]/im);
  } finally {
    await world.certAuthority.start();
  }
  // The client in monitoring-ingest waits a moment before it dials again: the collector would come back, too.
  let answer = await send(world.ingest.fabricAddress, fresh);
  while (answer.status === 503) answer = await send(world.ingest.fabricAddress, fresh);
  expect(answer.status).toBe(200);
});

test("no TLS session is ever resumed: a client that keeps them makes a full handshake each time (R26 j)", async () => {
  const identity = await world.issue("collector", randomUUID());
  using wire = await openWire(world.ingest.fabricAddress, identity);
  const sessions: Buffer[] = [];
  wire.socket.on("session", (session: Buffer) => void sessions.push(session));
  await wire.post(checkIn());
  const kept = wire.socket.getSession();
  if (kept !== undefined) sessions.push(kept);
  expect(sessions).not.toEqual([]);
  for (const session of sessions) {
    using again = await openWire(world.ingest.fabricAddress, identity, session);
    await again.post(checkIn());
    expect(again.socket.isSessionReused()).toBe(false);
  }
});
