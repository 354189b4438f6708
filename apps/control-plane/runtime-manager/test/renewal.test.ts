import { randomUUID } from "node:crypto";
import { CertificateState } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { FabricState } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { CertificatePurpose } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { parseSpiffeId } from "@drawbridge/pki";
import { createRuntimeManagerProcess } from "@drawbridge/testkit";
import { dirname } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listenToEvents, type EventLog } from "./event-log.ts";
import {
  addressOf,
  aDeploy,
  aFabric,
  aLine,
  readLogs,
  startWorld,
  until,
  type Replica,
  type World,
} from "./harness.ts";
import { startRelay, type Relay } from "./relay.ts";
import { aRenewal, renewOver, type Renewal } from "./renewal.ts";
import { aStatus, openTunnel } from "./simulated-agent.ts";

const suite = new AsyncDisposableStack();
const config = { HEARTBEAT_MS: 1_000, DEAD_AFTER_MS: 10_000, SEEN_FLUSH_MS: 200 };
const trustDomain = "drawbridge.local";
const monitoring = CertificatePurpose.CERTIFICATE_PURPOSE_MONITORING;
let world: World;
let wire: Relay;
let one: Replica;
let other: Replica;
let events: EventLog;
beforeAll(async () => {
  world = suite.use(await startWorld());
  wire = suite.use(await startRelay(world.certAuthority.address));
  one = suite.use(await world.startReplica("replica-1", { ...config, CERT_AUTHORITY_ADDRESS: wire.address }));
  other = suite.use(await world.startReplica("replica-2", config));
  for (const replica of [one, other]) await until(async () => ((await replica.readyz()).ready ? true : undefined));
  events = suite.use(await listenToEvents(world.nats));
});
afterAll(() => suite.disposeAsync());

async function fabricOf(fabricId: string) {
  return (await other.fabrics.getFabric({ org: "acme", fabric: fabricId })).fabric;
}

async function stateOf(serialNumber: string) {
  return (await world.authority.getCertificate({ serialNumber })).certificate?.state;
}

test("a renewed certificate is used first on a second tunnel, while the first one still works (REN 1, R6)", async () => {
  const fabric = await aFabric(world, one);
  const { app } = await one.apps.deployApp(aDeploy(fabric, "renewed-1"));
  const bootId = randomUUID();
  await using first = await fabric.connect(one, { epoch: 1n, hello: { bootId } });
  await first.next("welcome");
  const reading = readLogs(one, "renewed-1");
  const { correlationId } = await first.next("logsRequest");

  const renewal = await aRenewal(fabric.identity);
  const renewed = renewal.identityOf(await renewOver(first, renewal.request), trustDomain);
  expect(renewed.spiffeId).toBe(fabric.identity.spiffeId);
  expect(await stateOf(renewed.serialNumber)).toBe(CertificateState.CERTIFICATE_STATE_ISSUED);

  await using second = await openTunnel({
    address: one.tunnelAddress,
    identity: renewed,
    epoch: 2n,
    hello: { bootId },
  });
  await second.next("welcome");
  expect(await stateOf(renewed.serialNumber)).toBe(CertificateState.CERTIFICATE_STATE_ACTIVE);
  expect(await fabricOf(fabric.fabricId)).toMatchObject({
    state: FabricState.FABRIC_STATE_CONNECTED,
    certificateSerial: renewed.serialNumber,
  });
  // What is under way on the first one finishes there.
  expect((await first.heartbeat()).desiredGeneration).toBe(2n);
  first.send({ $case: "logsChunk", value: { lines: [aLine("late")], end: true, errorCode: "" } }, correlationId);
  expect(await reading).toEqual(["late"]);
  await second.report({ apps: [aStatus(app?.spec?.appId ?? "")] });
  expect((await one.apps.getApp({ app: addressOf("renewed-1") })).app?.status?.readyReplicas).toBe(1);
  first.send({ $case: "goodbye", value: { reason: "renewed" } });
  expect(await first.ended).toBeUndefined();
  expect(first.frames.map(({ frame }) => frame.$case)).not.toContain("kick");
  expect((await second.heartbeat()).desiredGeneration).toBe(2n);
  expect(events.factsOf(fabric.fabricId)).not.toContain("fabric.unreachable");
  expect(events.factsOf(fabric.fabricId).filter((fact) => fact === "fabric.connected")).toHaveLength(1);
});

test("the second tunnel may lead to another replica", async () => {
  const fabric = await aFabric(world, one);
  const bootId = randomUUID();
  await using first = await fabric.connect(one, { epoch: 1n, hello: { bootId } });
  await first.next("welcome");
  const renewal = await aRenewal(fabric.identity);
  const identity = renewal.identityOf(await renewOver(first, renewal.request), trustDomain);
  await using second = await openTunnel({ address: other.tunnelAddress, identity, epoch: 2n, hello: { bootId } });
  await second.next("welcome");
  await first.heartbeat();
  first.send({ $case: "goodbye", value: { reason: "renewed" } });
  expect(await first.ended).toBeUndefined();
  expect(await fabricOf(fabric.fabricId)).toMatchObject({
    state: FabricState.FABRIC_STATE_CONNECTED,
    tunnelReplica: "replica-2",
  });
});

test("the same request gets the same certificate, at any replica (REN 2)", async () => {
  const fabric = await aFabric(world, one);
  const { request } = await aRenewal(fabric.identity);
  await using first = await fabric.connect(one, { epoch: 1n });
  const results = [await renewOver(first, request)];
  await using again = await fabric.connect(other, { epoch: 2n });
  results.push(await renewOver(again, request));
  expect(results[1]?.certificatesDer).toEqual(results[0]?.certificatesDer);
  expect(results[0]?.certificatesDer.length).toBeGreaterThanOrEqual(2);
  const { request: another } = await aRenewal(fabric.identity, { requestId: request.requestId });
  expect((await renewOver(again, another)).errorCode).toBe("REQUEST_ID_REUSED");
});

test("the monitoring certificate is renewed over the tunnel and carries the collector's name (REN 5)", async () => {
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(one, { epoch: 1n });
  const first = await aRenewal({ serialNumber: "" }, { purpose: monitoring });
  const collector = first.identityOf(await renewOver(agent, first.request), trustDomain);
  expect(parseSpiffeId(collector.spiffeId)).toMatchObject({ kind: "collector", fabricId: fabric.fabricId });
  const second = await aRenewal(collector, { purpose: monitoring });
  expect(second.identityOf(await renewOver(agent, second.request), trustDomain).spiffeId).toBe(collector.spiffeId);
});

test.each([
  [
    "a purpose that is none",
    { purpose: CertificatePurpose.CERTIFICATE_PURPOSE_UNSPECIFIED },
    "RENEWAL_PURPOSE_UNKNOWN",
  ],
  ["a serial number that is not the agent's", { currentSerial: "0badc0ffee" }, "RENEWAL_SERIAL_UNKNOWN"],
  ["no serial number for the tunnel", { currentSerial: "" }, "RENEWAL_SERIAL_UNKNOWN"],
  ["a request id that is none", { requestId: "again" }, "REQUEST_ID_INVALID"],
  ["no CSR", { csrDer: Buffer.alloc(0) }, "CSR_MALFORMED"],
  ["a CSR that is none", { csrDer: Buffer.from("no CSR") }, "CSR_MALFORMED"],
  ["a CSR that is too large", { csrDer: Buffer.alloc(9_000) }, "CSR_MALFORMED"],
])("refuses to renew with %s", async (_what, change, code) => {
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(one, { epoch: 1n });
  const { request } = await aRenewal(fabric.identity, change);
  expect(await renewOver(agent, request)).toMatchObject({ errorCode: code, certificatesDer: [], retryAfterMs: 0 });
});

test("refuses to renew the monitoring certificate of another fabric", async () => {
  const [mine, theirs] = [await aFabric(world, one), await aFabric(world, one)];
  await using neighbour = await theirs.connect(one, { epoch: 1n });
  const foreign = await aRenewal({ serialNumber: "" }, { purpose: monitoring });
  const collector = foreign.identityOf(await renewOver(neighbour, foreign.request), trustDomain);
  await using agent = await mine.connect(one, { epoch: 1n });
  for (const current of [collector, mine.identity]) {
    const { request } = await aRenewal(current, { purpose: monitoring });
    expect((await renewOver(agent, request)).errorCode).toBe("RENEWAL_SERIAL_UNKNOWN");
  }
});

test("a renewal that waits holds up no other frame, and a fourth one of an agent is refused (R14)", async () => {
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(one, { epoch: 1n });
  await agent.next("welcome");
  wire.holdAnswers();
  try {
    const requests = await Promise.all(Array.from({ length: 4 }, () => aRenewal(fabric.identity)));
    for (const [n, { request }] of requests.entries()) agent.send({ $case: "renew", value: request }, `ask-${n}`);
    await agent.heartbeat();
    expect(
      agent.frames.flatMap(({ frame, correlationId }) =>
        frame.$case === "renewResult" ? [[correlationId, frame.value.errorCode]] : [],
      ),
    ).toEqual([["ask-3", "RENEWAL_LIMIT"]]);
  } finally {
    wire.letGo();
  }
  for (let n = 0; n < 3; n += 1) await agent.next("renewResult");
  const answers = agent.frames.flatMap(({ frame }) => (frame.$case === "renewResult" ? [frame.value.errorCode] : []));
  expect(answers.toSorted()).toEqual(["", "", "", "RENEWAL_LIMIT"]);
});

test("an agent that renews without end is told when to come back, its collector and its tunnel go on (R14)", async () => {
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(one, { epoch: 1n });
  await agent.next("welcome");
  const renewals: Renewal[] = [];
  for (let count = 0; count < 11; count += 1) {
    const renewal = await aRenewal(fabric.identity);
    expect((await renewOver(agent, renewal.request)).errorCode).toBe("");
    renewals.push(renewal);
  }
  const refused = await renewOver(agent, (await aRenewal(fabric.identity)).request);
  expect(refused).toMatchObject({ errorCode: "ISSUE_NAME_LIMIT", certificatesDer: [] });
  expect(refused.retryAfterMs).toBeGreaterThanOrEqual(1_000);
  for (const { request } of renewals) expect((await renewOver(agent, request)).errorCode).toBe("");
  const collector = await aRenewal(fabric.identity, { purpose: monitoring, currentSerial: "" });
  expect((await renewOver(agent, collector.request)).errorCode).toBe("");
  expect((await agent.heartbeat()).desiredGeneration).toBe(1n);
});

test("a certificate that the authority does not know is not banned: the agent is told to recover", async () => {
  const fabric = await aFabric(world, one);
  await world.forgetCertificate(fabric.identity.serialNumber);
  await using stranger = await openTunnel({
    address: one.tunnelAddress,
    identity: fabric.identity,
    epoch: 1n,
  });
  expect(await stranger.ended).toMatchObject({ code: "CERTIFICATE_UNKNOWN", kind: "failed_precondition" });
});

test("killed between the authority's record and the answer, a renewal asked for again gives the same certificate (R26)", async () => {
  const fabric = await aFabric(world, one);
  await using wireToProcess = await startRelay(world.certAuthority.address);
  await using process = await createRuntimeManagerProcess({
    dir: dirname(world.secretFiles.databaseUrl),
    database: world.database,
    nats: world.nats,
    identitiesDir: world.certAuthority.identitiesDir,
    certAuthorityAddress: wireToProcess.address,
    env: { DRAWBRIDGE_REPLICA: "replica-3" },
  });
  await process.start();
  const { request, identityOf } = await aRenewal(fabric.identity);
  const of = { address: process.tunnelAddress, identity: fabric.identity };
  await using agent = await openTunnel({ ...of, epoch: 1n });
  await agent.next("welcome");
  wireToProcess.holdAnswers();
  agent.send({ $case: "renew", value: request }, "lost");
  const recorded = await until(async () => {
    const { certificates } = await world.authority.listCertificates({
      fabricId: fabric.fabricId,
      pageSize: 10,
      pageToken: "",
      spiffeId: "",
      unexpiredOnly: false,
    });
    return certificates.length > 1 ? certificates[0]?.serialNumber : undefined;
  });
  await process.kill();
  await agent.ended;
  wireToProcess.letGo();
  await process.start();
  await using again = await openTunnel({ ...of, epoch: 2n });
  expect(identityOf(await renewOver(again, request), trustDomain).serialNumber).toBe(recorded);
});

test("killed between hello and promotion, the new certificate is promoted by its next hello (R26)", async () => {
  const fabric = await aFabric(world, one);
  await using wireToProcess = await startRelay(world.certAuthority.address);
  await using process = await createRuntimeManagerProcess({
    dir: dirname(world.secretFiles.databaseUrl),
    database: world.database,
    nats: world.nats,
    identitiesDir: world.certAuthority.identitiesDir,
    certAuthorityAddress: wireToProcess.address,
    env: { DRAWBRIDGE_REPLICA: "replica-4" },
  });
  await process.start();
  const bootId = randomUUID();
  await using first = await fabric.connect(one, { epoch: 1n, hello: { bootId } });
  const renewal = await aRenewal(fabric.identity);
  const identity = renewal.identityOf(await renewOver(first, renewal.request), trustDomain);
  wireToProcess.holdAnswers();
  const asked = wireToProcess.asked();
  await using second = await openTunnel({ address: process.tunnelAddress, identity, epoch: 2n, hello: { bootId } });
  await asked; // hello has arrived, and what the authority says of it has not
  await process.kill();
  await second.ended;
  expect((await first.heartbeat()).desiredGeneration).toBe(1n); // the earlier tunnel never stopped
  expect(await fabricOf(fabric.fabricId)).toMatchObject({ certificateSerial: fabric.identity.serialNumber });
  await using third = await openTunnel({ address: other.tunnelAddress, identity, epoch: 3n, hello: { bootId } });
  await third.next("welcome");
  expect(await stateOf(identity.serialNumber)).toBe(CertificateState.CERTIFICATE_STATE_ACTIVE);
  expect(await fabricOf(fabric.fabricId)).toMatchObject({ certificateSerial: identity.serialNumber });
});
