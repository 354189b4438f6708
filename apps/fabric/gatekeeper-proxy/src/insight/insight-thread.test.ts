import { FakeClock, createTestLogger } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createInsightThread } from "./insight-thread.ts";

const entry = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort, resourceLimits } from "node:worker_threads";
    parentPort.on("message", () => {
      parentPort.postMessage({ type: "full", captureIds: [String(resourceLimits.maxOldGenerationSizeMb)] });
      parentPort.close();
    });
  `)}`,
);

test("the thread that masks has a heap of its own bounds", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const thread = createInsightThread({
    entry,
    start: { gatewayId: "g", redact: [], log: { level: "info", format: "json" } },
    clock: new FakeClock(),
    logger: createTestLogger().logger,
    onBorn: () => undefined,
    onTaken: () => undefined,
    onMessage: resolve,
  });
  const nothing = { bytes: undefined, sizeBytes: 0, state: "whole" } as const;
  thread.mask(0, {
    type: "exchange",
    orders: [],
    heldBytes: 0,
    api: { apiId: "a", name: "orders", version: "1", environment: "production" },
    app: "shop",
    replica: "r",
    clientApplication: "",
    receivedAtMs: 1,
    method: "GET",
    pathTemplate: "/orders",
    status: 200,
    disposition: 1,
    violatedPolicy: "",
    latencyUs: 1,
    upstreamUs: 1,
    query: "",
    requestHeaders: [],
    responseHeaders: [],
    requestBody: nothing,
    responseBody: nothing,
  });
  expect(await promise).toEqual({ type: "full", captureIds: ["256"] });
  await thread.stop(0, AbortSignal.timeout(5_000));
});
