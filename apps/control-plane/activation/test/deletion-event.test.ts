import { join } from "node:path";
import type { EventEnvelope } from "@drawbridge/contracts";
import { FabricServiceClient } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { IdentityHolder, loadIdentityDir } from "@drawbridge/pki";
import { createGrpcClient, type GrpcClient } from "@drawbridge/rpc";
import { createTestLogger } from "@drawbridge/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  anActivation,
  aTokenRequest,
  startEnvironment,
  tapEvents,
  type Environment,
  type EventTap,
  type RunningService,
} from "./harness.ts";

const suite = new AsyncDisposableStack();
let environment: Environment;
let tap: EventTap;
let fabrics: GrpcClient<(typeof FabricServiceClient)["service"]>["call"];
let service: RunningService;

beforeAll(async () => {
  environment = suite.use(await startEnvironment());
  tap = suite.use(await tapEvents(environment.bus));
  const dir = join(environment.certAuthority.identitiesDir, "management-api");
  const client = createGrpcClient(FabricServiceClient, {
    address: environment.runtimeManager.address,
    identity: new IdentityHolder(await loadIdentityDir(dir, new Date())),
    expectedServer: "/cp/runtime-manager",
    logger: createTestLogger().logger,
  });
  suite.defer(() => client.stop(AbortSignal.timeout(5_000)));
  fabrics = client.call;
}, 180_000);

afterAll(() => suite.disposeAsync(), 60_000);

beforeEach(async () => {
  await environment.runtimeManager.start();
  service = await environment.startService();
  return async () => {
    await service[Symbol.asyncDispose]();
    await environment.runtimeManager.kill();
  };
}, 60_000);

async function aFabric(name: string): Promise<string> {
  const { fabric } = await fabrics.createFabric({ org: "acme", name, region: "", environments: ["test"] });
  return fabric?.fabricId ?? "";
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(240_000);
  while (!isSo()) await systemClock.sleep(20, deadline);
}

const isRevocationOf = (tokenId: string | undefined) => (event: EventEnvelope) =>
  event.type === "activation.token.revoked.v1" && "tokenId" in event.payload && event.payload.tokenId === tokenId;
const tokenRevoked = { code: "ACTIVATION_TOKEN_REVOKED" };

test("a forged event takes no token away, whether or not there is such a fabric", async () => {
  for (const fabricId of [await aFabric("forged-1"), uuidV7Ids.next()]) {
    const { secretToken } = await service.tokens.createActivationToken(aTokenRequest({ fabricId }));
    const id = uuidV7Ids.next();
    await environment.bus.publishEvent({
      id,
      type: "runtime.fabric.deleted.v1",
      scope: fabricId,
      occurredAt: new Date(),
      traceparent: "",
      payloadJson: JSON.stringify({ fabricId, name: "edge-1", agentId: "", fact: "deleted", replica: "" }),
    });
    await until(() =>
      service.log.records.some((record) => record["event_id"] === id && record.msg.startsWith("security:")),
    );
    await service.activate(await anActivation(secretToken));
  }
});

test("a deleted fabric takes its unused tokens with it", async () => {
  const fabricId = await aFabric("deleted-1");
  const unused = await service.tokens.createActivationToken(aTokenRequest({ fabricId }));
  const used = await service.tokens.createActivationToken(aTokenRequest({ fabricId }));
  const redeemed = await anActivation(used.secretToken);
  await service.activate(redeemed);
  await fabrics.deleteFabric({ org: "acme", fabric: "deleted-1", force: false });
  await tap.until(1, isRevocationOf(unused.token?.tokenId));
  await expect(service.activate(await anActivation(unused.secretToken))).rejects.toMatchObject(tokenRevoked);
  await expect(service.activate(redeemed)).rejects.toMatchObject(tokenRevoked);
  expect(tap.events.filter(isRevocationOf(used.token?.tokenId))).toEqual([]);
});

test("the event waits for its owner: tokens go once, when runtime-manager is back", async () => {
  const fabricId = await aFabric("away-1");
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest({ fabricId }));
  await service[Symbol.asyncDispose]();
  const told = Promise.withResolvers<void>();
  const { bus, runtimeManager } = environment;
  const subscription = bus.subscribe(`drawbridge.runtime.fabric.deleted.v1.${fabricId}`, () => told.resolve());
  await subscription.ready;
  await fabrics.deleteFabric({ org: "acme", fabric: "away-1", force: false });
  await told.promise;
  await subscription.close();
  await runtimeManager.kill();

  service = await environment.startService();
  await until(() =>
    service.log.withMessage("event not handled, will retry").some(({ subject }) => String(subject).endsWith(fabricId)),
  );
  expect(tap.events.filter(isRevocationOf(token?.tokenId))).toEqual([]);
  await runtimeManager.start();
  await tap.until(1, isRevocationOf(token?.tokenId));
  await expect(service.activate(await anActivation(secretToken))).rejects.toMatchObject(tokenRevoked);
  expect(tap.events.filter(isRevocationOf(token?.tokenId))).toHaveLength(1);
}, 120_000);
