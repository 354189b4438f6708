import { FabricState } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  addressOf,
  aDeploy,
  aFabric,
  aLine,
  aRequest,
  readLogs,
  startWorld,
  until,
  type Replica,
  type World,
} from "./harness.ts";
import { aStatus } from "./simulated-agent.ts";

const suite = new AsyncDisposableStack();
const config = { HEARTBEAT_MS: 1_000, DEAD_AFTER_MS: 10_000 };
let world: World;
let one: Replica;
let other: Replica;
beforeAll(async () => {
  world = suite.use(await startWorld());
  one = suite.use(await world.startReplica("replica-1", config));
  other = suite.use(await world.startReplica("replica-2", config));
  for (const replica of [one, other]) await until(async () => ((await replica.readyz()).ready ? true : undefined));
});
afterAll(() => suite.disposeAsync());

test("a deploy through one replica reaches the agent on the other (R15)", async () => {
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(other, { epoch: 1n });
  await agent.next("welcome");
  const { app } = await one.apps.deployApp(aDeploy(fabric, "across-1"));
  await agent.next("notify");
  expect((await agent.fetch()).snapshot.apps).toEqual([app?.spec]);
  await agent.report({ apps: [aStatus(app?.spec?.appId ?? "")] });
  expect((await one.apps.getApp({ app: addressOf("across-1") })).app).toMatchObject({
    statusCurrent: true,
    status: { readyReplicas: 1 },
  });
});

test("logs asked of one replica come from the tunnel that the other holds", async () => {
  const fabric = await aFabric(world, one);
  await one.apps.deployApp(aDeploy(fabric, "across-2"));
  await using agent = await fabric.connect(other, { epoch: 1n });
  await agent.next("welcome");
  const reading = readLogs(one, "across-2");
  const { correlationId } = await agent.next("logsRequest");
  const many = Array.from({ length: 2_000 }, (_, n) => `line ${n} ${"x".repeat(400)}`); // more than one piece
  agent.send(
    { $case: "logsChunk", value: { lines: many.map((line) => aLine(line)), end: false, errorCode: "" } },
    correlationId,
  );
  agent.send({ $case: "logsChunk", value: { lines: [aLine("last")], end: true, errorCode: "" } }, correlationId);
  expect(await reading).toEqual([...many, "last"]);
});

test("a reader at one replica who leaves makes the agent on the other stop", async () => {
  const fabric = await aFabric(world, one);
  await one.apps.deployApp(aDeploy(fabric, "across-3"));
  await using agent = await fabric.connect(other, { epoch: 1n });
  await agent.next("welcome");
  const leaving = new AbortController();
  const reading = readLogs(one, "across-3", { follow: true, signal: leaving.signal });
  const { correlationId } = await agent.next("logsRequest");
  leaving.abort();
  await expect(reading).rejects.toBeDefined();
  expect((await agent.next("logsCancel")).correlationId).toBe(correlationId);
});

test("what the agent on the other replica refuses is the operator's answer", async () => {
  const fabric = await aFabric(world, one);
  await one.apps.deployApp(aDeploy(fabric, "across-4"));
  await using agent = await fabric.connect(other, { epoch: 1n });
  await agent.next("welcome");
  const reading = readLogs(one, "across-4");
  const { correlationId } = await agent.next("logsRequest");
  agent.send({ $case: "logsChunk", value: { lines: [], end: true, errorCode: "LOGS_NOT_ALLOWED" } }, correlationId);
  await expect(reading).rejects.toMatchObject({ code: "LOGS_NOT_ALLOWED" });
});

test("an agent that moves to the other replica ends its session on the first", async () => {
  const fabric = await aFabric(world, one);
  await using earlier = await fabric.connect(one, { epoch: 1n });
  await earlier.next("welcome");
  await using later = await fabric.connect(other, { epoch: 2n });
  await later.next("welcome");
  expect((await earlier.next("kick")).value.reason).toBe("EPOCH_SUPERSEDED");
  const shown = async () => (await one.fabrics.getFabric({ org: "acme", fabric: fabric.fabricId })).fabric;
  expect(await shown()).toMatchObject({ state: FabricState.FABRIC_STATE_CONNECTED, tunnelReplica: "replica-2" });
});

test("a fabric deleted through one replica loses its tunnel on the other", async () => {
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(other, { epoch: 1n });
  await agent.next("welcome");
  await one.fabrics.deleteFabric({ org: "acme", fabric: fabric.name, force: false });
  expect((await agent.next("kick")).value.reason).toBe("FABRIC_DELETED");
});

test("a request_id repeated at the other replica gives the first one's answer", async () => {
  const fabric = await aFabric(world, one);
  await one.apps.deployApp(aDeploy(fabric, "across-5"));
  const request = aRequest("across-5");
  const answers = await Promise.all([one, other, one, other].map((replica) => replica.apps.restartApp(request)));
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  expect(answers[0]?.app?.spec?.generation).toBe(2n);
});

test("a replica that stops tells its agents to come back elsewhere", async () => {
  const stopping = await world.startReplica("replica-3", config);
  const fabric = await aFabric(world, one);
  await using agent = await fabric.connect(stopping, { epoch: 1n });
  await agent.next("welcome");
  const stopped = stopping[Symbol.asyncDispose]();
  expect((await agent.next("drain")).value.reason).toBe("shutdown");
  await using again = await fabric.connect(other, { epoch: 2n });
  await again.next("welcome");
  await stopped;
  expect(await agent.ended).toBeUndefined();
});
