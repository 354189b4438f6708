import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { uuidV7Ids } from "@drawbridge/lifecycle";
import { clientTlsOptions } from "@drawbridge/pki";
import { expect, test } from "vitest";
import { batchHeader, readQueuedBatch } from "../src/receive/queued-batch.ts";
import { aBatch } from "./support/a-batch.ts";
import { fabricId, otherFabricId, startIntake } from "./support/intake-world.ts";
import { answerOf, batchesPath, bearer, connectGateway, packed, sendHttp1 } from "./support/send.ts";

const zstd = { "content-encoding": "zstd" };
const head = { ":method": "POST", ":path": batchesPath, "content-type": "application/x-protobuf" };

test("what was acknowledged outlives a kill of the message bus; without it nothing is, and gateways are told to wait (ANA)", async () => {
  await using world = await startIntake();
  await using gateway = await connectGateway(world);
  const headers = { ...bearer(await world.token()), ...zstd };
  const acknowledged: bigint[] = [];
  let sequence = 0n;
  const sendNext = async () => {
    sequence += 1n;
    const mine = sequence;
    const answer = await gateway.send(packed(aBatch({ sequence: mine })), headers);
    if (answer.status === 200) acknowledged.push(mine);
    return answer;
  };
  for (let round = 0; round < 3; round += 1) {
    const inFlight = Array.from({ length: 20 }, sendNext);
    await Promise.race(inFlight);
    await world.nats.kill(); // some are on their way
    for (const { status, headers: said } of await Promise.all(inFlight)) {
      expect([200, 503]).toContain(status);
      if (status === 503) expect(Number(said["retry-after"])).toBeGreaterThan(0);
    }
    const away = await sendNext();
    expect(away).toMatchObject({ status: 503, json: { code: "ANALYTICS_QUEUE_UNAVAILABLE" } });
    await world.nats.start();
    await expect.poll(async () => (await sendNext()).status).toBe(200);
  }
  const names = new Set<string>();
  for (const message of await world.drain(await world.waiting())) names.add(message.header(batchHeader));
  expect(acknowledged.length).toBeGreaterThan(3);
  expect(acknowledged.filter((each) => !names.has(`${fabricId}:gateway-1:1:${each}`))).toEqual([]);
});

test("a fabric that floods is slowed down, and another one is served meanwhile (ANA)", async () => {
  await using world = await startIntake({ limits: { bytesPerSecond: 64 * 1024, requests: 8 } });
  await using flooding = await connectGateway(world);
  await using quiet = await connectGateway(world);
  const mine = { ...bearer(await world.token()), ...zstd };
  const theirs = { ...bearer(await world.token({ fabricId: otherFabricId })), ...zstd };
  const large = packed(aBatch({ rows: 5_000 }));
  const flood = Array.from({ length: 60 }, () => flooding.send(large, mine));
  const others = await Promise.all(
    Array.from({ length: 5 }, (_, index) => quiet.send(packed(aBatch({ sequence: BigInt(index + 1) })), theirs)),
  );
  expect(others.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  const answers = await Promise.all(flood);
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused.length).toBeGreaterThan(50);
  for (const { status, headers, json } of refused) {
    expect([status, json["code"]]).toEqual([429, "ANALYTICS_RATE_EXCEEDED"]);
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
  }
});

test.each([
  ["packed", { "content-encoding": "zstd" }, 4_194_304],
  ["not packed", {}, 1_000],
])("what exchanges may unpack to is set aside for a body that is %s", async (_how, packing, bytes) => {
  await using world = await startIntake({ limits: { bytesInFlight: 8 * 1024 * 1024 } });
  await using holding = await connectGateway(world);
  const headers = { ...head, ...packing, ...bearer(await world.token()), "content-length": "1000" };
  const held = holding.session.request({ ...headers, ":path": "/v1/insight/exchanges" });
  held.on("error", () => undefined);
  held.write("x");
  await expect.poll(() => world.metricsText()).toContain(`in_flight_bytes ${bytes}`);
  held.destroy();
});

test("bodies of a fabric that are announced and never sent take a quarter of the room at most", async () => {
  await using world = await startIntake({ limits: { bytesInFlight: 4 * 1024 * 1024 } });
  await using holding = await connectGateway(world);
  await using quiet = await connectGateway(world);
  const mine = bearer(await world.token());
  const held = holding.session.request({ ...head, ...mine, "content-length": String(1024 * 1024) });
  held.on("error", () => undefined);
  held.write("x");
  await expect.poll(() => world.metricsText()).toMatch(/in_flight_bytes 1048576/);
  expect(await quiet.send(packed(aBatch()), { ...mine, ...zstd })).toMatchObject({ status: 429 });
  const theirs = bearer(await world.token({ fabricId: otherFabricId }));
  expect(await quiet.send(packed(aBatch()), { ...theirs, ...zstd })).toMatchObject({ status: 200 });
  held.destroy();
  await expect.poll(() => world.metricsText()).toMatch(/in_flight_bytes 0/);
  expect(await quiet.send(packed(aBatch()), { ...mine, ...zstd })).toMatchObject({ status: 200 });
});

test("the tokens of a deleted fabric are refused from then on, also after a restart (ANA)", async () => {
  await using world = await startIntake();
  const [mine, theirs] = [bearer(await world.token()), bearer(await world.token({ fabricId: otherFabricId }))];
  expect(await sendHttp1(world, aBatch(), mine)).toMatchObject({ status: 200 });
  await world.bus.publishEvent({
    id: uuidV7Ids.next(),
    type: "runtime.fabric.deleted.v1",
    scope: fabricId,
    occurredAt: new Date(),
    traceparent: "",
    payloadJson: JSON.stringify({ fabricId }),
  });
  const refused = { status: 403, json: { code: "ANALYTICS_FABRIC_DELETED" } };
  await expect.poll(() => sendHttp1(world, aBatch(), mine)).toMatchObject(refused);
  await world.restart();
  await expect.poll(async () => (await sendHttp1(world, aBatch({ sequence: 2n }), theirs)).status).toBe(200);
  expect(await sendHttp1(world, aBatch(), mine)).toMatchObject(refused);
});

test("a body that comes too slowly is given up, and others on the connection go on", async () => {
  await using world = await startIntake({ bodyTimeoutMs: 300 });
  await using gateway = await connectGateway(world);
  const headers = bearer(await world.token());
  const slow = gateway.session.request({ ...head, ...headers, "content-length": "1000" });
  slow.write("x");
  const answering = answerOf(slow);
  expect(await gateway.send(aBatch(), headers)).toMatchObject({ status: 200 });
  expect(await answering).toMatchObject({ status: 408, json: { code: "BODY_TOO_SLOW" } });
});

test("one address has so many connections and no more", async () => {
  await using world = await startIntake({ connectionsPerAddress: 2 });
  await using first = await connectGateway(world);
  await using _second = await connectGateway(world);
  const { trustBundle } = world.ca;
  const third = connectTls({
    host: "127.0.0.1",
    port: world.port,
    ...clientTlsOptions({ trustBundle }, { expectedServer: "/cp/analytics-ingest" }),
  });
  third.on("error", () => undefined);
  await once(third, "close");
  const headers = { ...bearer(await world.token()), ...zstd };
  expect(await first.send(packed(aBatch()), headers)).toMatchObject({ status: 200 });
  await first[Symbol.asyncDispose]();
  await expect
    .poll(async () => (await sendHttp1(world, aBatch(), bearer(await world.token())).catch(() => undefined))?.status)
    .toBe(200);
});

test("requests under way are answered before the service goes, and no new ones are taken", async () => {
  await using world = await startIntake();
  await using gateway = await connectGateway(world);
  const body = aBatch();
  const headers = { ...bearer(await world.token()), "content-length": String(body.length) };
  const stream = gateway.session.request({ ...head, ...headers });
  stream.write(body.subarray(0, 10));
  await expect.poll(() => world.metricsText()).toMatch(/in_flight_bytes [1-9]/);
  const answering = answerOf(stream);
  const stopping = world.stopIntake();
  await once(gateway.session, "goaway");
  stream.end(body.subarray(10));
  expect(await answering).toMatchObject({ status: 200 });
  await stopping;
  const [message] = await world.drain(1);
  expect(message && Buffer.compare(readQueuedBatch(message).bytes, body)).toBe(0);
});
