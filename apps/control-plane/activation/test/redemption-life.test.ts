import type { EventEnvelope } from "@drawbridge/contracts";
import { DrawbridgeError } from "@drawbridge/errors";
import { systemClock, uuidV7Ids, type Clock } from "@drawbridge/lifecycle";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  anActivation,
  aTokenRequest,
  startEnvironment,
  tapEvents,
  type Environment,
  type EventTap,
  type RunningService,
  type ServiceOptions,
} from "./harness.ts";

let environment: Environment;
let tap: EventTap;

beforeAll(async () => {
  environment = await startEnvironment();
  tap = await tapEvents(environment.bus);
}, 180_000);

afterAll(async () => {
  await tap?.[Symbol.asyncDispose]();
  await environment?.[Symbol.asyncDispose]();
}, 60_000);

async function start(options?: ServiceOptions): Promise<RunningService> {
  const service = await environment.startService(options);
  onTestFinished(() => service[Symbol.asyncDispose]());
  return service;
}

/** The system's clock, set ahead as far as the test says. */
function movableClock(): { readonly clock: Clock; readonly ahead: (ms: number) => void } {
  let offsetMs = 0;
  return {
    clock: { ...systemClock, now: () => new Date(Date.now() + offsetMs) },
    ahead: (ms) => {
      offsetMs = ms;
    },
  };
}

async function errorOf(call: Promise<unknown>): Promise<DrawbridgeError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof DrawbridgeError) return outcome;
  throw new Error("the call was expected to fail with a DrawbridgeError");
}

async function announceActivated(payload: { readonly fabricId: string; readonly agentId: string }): Promise<void> {
  await environment.bus.publishEvent({
    id: uuidV7Ids.next(),
    type: "runtime.fabric.activated.v1",
    scope: payload.fabricId,
    occurredAt: new Date(),
    traceparent: "",
    payloadJson: JSON.stringify({ name: "edge-1", fact: "activated", replica: "", ...payload }),
  });
}

/** Ask until the answer is the one expected: the fact travels over NATS. */
async function eventually(ask: () => Promise<DrawbridgeError | undefined>, code: string): Promise<void> {
  for (;;) if ((await ask())?.code === code) return;
}

const withToken = (type: string, tokenId: string) => (event: EventEnvelope) =>
  event.type === type && "tokenId" in event.payload && event.payload.tokenId === tokenId;

test("a token is refused from the instant it expires (ACT 1)", async () => {
  const { clock, ahead } = movableClock();
  const service = await start({ clock });
  const { secretToken, token } = await service.tokens.createActivationToken(aTokenRequest({ ttlSeconds: 300 }));
  ahead(300_000);
  const error = await errorOf(service.activate(await anActivation(secretToken)));
  expect(error).toMatchObject({ kind: "failed_precondition", code: "ACTIVATION_TOKEN_EXPIRED" });
  await tap.until(1, withToken("activation.token.refused.v1", token?.tokenId ?? ""));
});

test("a redemption is repeated for ten minutes and no longer (R3)", async () => {
  const { clock, ahead } = movableClock();
  const service = await start({ clock });
  const { secretToken } = await service.tokens.createActivationToken(aTokenRequest());
  const request = await anActivation(secretToken);
  await service.activate(request);
  ahead(9 * 60_000);
  expect((await service.activate(request)).replayed).toBe(true);
  ahead(10 * 60_000 + 1_000);
  expect(await errorOf(service.activate(request))).toMatchObject({ code: "ACTIVATION_TOKEN_USED" });
});

test("a redemption is not repeated once the agent opened its tunnel", async () => {
  const service = await start();
  const { secretToken } = await service.tokens.createActivationToken(aTokenRequest());
  const request = await anActivation(secretToken);
  const { fabricId, agentId } = await service.activate(request);
  await announceActivated({ fabricId, agentId });
  await eventually(
    () =>
      service.activate(request).then(
        () => undefined,
        (error: DrawbridgeError) => error,
      ),
    "ACTIVATION_TOKEN_USED",
  );
});

test("a redemption cut off after the token was consumed is completed by the retry, on another replica too (ACT 8)", async () => {
  const first = await environment.startService();
  const { secretToken, token } = await first.tokens.createActivationToken(aTokenRequest());
  const request = await anActivation(secretToken);
  await environment.certAuthority.kill();
  const error = await errorOf(first.activate(request, AbortSignal.timeout(15_000)));
  expect(error).toMatchObject({ kind: "unavailable", code: "ACTIVATION_UNAVAILABLE" });
  expect(error.retryAfterMs).toBeGreaterThan(0);
  const list = await first.tokens.listActivationTokens({ fabricId: token?.fabricId ?? "", pageSize: 1, pageToken: "" });
  const agentId = list.tokens[0]?.agentId;
  expect(agentId).toMatch(/^[0-9a-f-]{36}$/);
  await first[Symbol.asyncDispose]();
  await environment.certAuthority.start();
  const second = await start();
  expect(await errorOf(second.activate(await anActivation(secretToken)))).toMatchObject({
    code: "ACTIVATION_TOKEN_USED",
  });
  const answer = await second.activate(request);
  expect(answer.agentId).toBe(agentId);
  await tap.until(1, withToken("activation.token.redeemed.v1", token?.tokenId ?? ""));
}, 60_000);

test("who asks too often is told to come back, before the database is asked (R14)", async () => {
  const service = await start({
    config: { ACTIVATIONS_PER_SECOND_PER_ADDRESS: 0.01, ACTIVATION_BURST_PER_ADDRESS: 2, ACTIVATIONS_PER_SECOND: 20 },
  });
  const { secretToken } = await service.tokens.createActivationToken(aTokenRequest());
  const request = await anActivation(secretToken);
  await service.activate(request);
  await service.activate(request);
  const before = tap.events.length;
  const error = await errorOf(service.activate({ ...request, token: "" }));
  expect(error).toMatchObject({ kind: "resource_exhausted", code: "ACTIVATION_RATE_LIMITED" });
  expect(error.retryAfterMs).toBeGreaterThan(0);
  expect(tap.events.slice(before).filter(({ type }) => type === "activation.token.refused.v1")).toEqual([]);
});
