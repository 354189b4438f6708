import { setTimeout as pause } from "node:timers/promises";
import { createGrantSigner, type AnalyticsGrant } from "@drawbridge/analytics-access";
import {
  connectBus,
  createQueueConsumer,
  openWorkQueue,
  provisionBus,
  type Bus,
  type QueueMessage,
} from "@drawbridge/bus";
import { systemClock, uuidV7Ids, type Component } from "@drawbridge/lifecycle";
import { IdentityHolder } from "@drawbridge/pki";
import { startTelemetry } from "@drawbridge/telemetry";
import { createTestCa, createTestLogger, startTestNats, type TestCa, type TestNats } from "@drawbridge/testkit";
import type { ExchangeStore } from "../../src/insight/exchange-store.ts";
import { createReceiveExchanges } from "../../src/insight/receive-exchanges.ts";
import { createIntake, type Intake } from "../../src/receive/create-intake.ts";
import type { IntakeLimitOptions } from "../../src/receive/intake-limits.ts";

const mib = 1024 * 1024;

export const fabricId = "01890000-0000-7000-8000-000000000001";
export const otherFabricId = "01890000-0000-7000-8000-000000000002";

const noExchanges: Pick<ExchangeStore, "keep"> = { keep: async () => ({ accepted: 0, fullCaptures: [] }) };

/** The way in, as the service has it: TLS, a real NATS server, its queue. Nothing takes out of it. */
export interface IntakeWorld extends AsyncDisposable {
  readonly ca: TestCa;
  readonly nats: TestNats;
  readonly bus: Bus;
  readonly port: number;
  /** Signed as runtime-manager does. */
  token(grant?: Partial<AnalyticsGrant>): Promise<string>;
  /** Everything in the queue, oldest first, which is empty then. */
  drain(count: number): Promise<readonly QueueMessage[]>;
  waiting(): Promise<number>;
  metricsText(): Promise<string>;
  /** The way in, with nothing in memory, on the same port. */
  restart(): Promise<void>;
  stopIntake(): Promise<void>;
}

export async function startIntake(
  options: {
    readonly limits?: Partial<IntakeLimitOptions>;
    readonly connectionsPerAddress?: number;
    readonly bodyTimeoutMs?: number;
    /** Default: whatever comes is left out. */
    readonly exchanges?: Pick<ExchangeStore, "keep">;
  } = {},
): Promise<IntakeWorld> {
  const log = createTestLogger();
  const { logger } = log;
  const nats = await startTestNats();
  const { url, credentials } = nats;
  await provisionBus({ url, credentials, logger }, AbortSignal.timeout(240_000));
  const ca = await createTestCa();
  const service = "analytics-ingest" as const;
  const bus = connectBus({ url, credentials, name: service, service, requireDurable: true, logger });
  const queue = openWorkQueue(bus, "ANALYTICS");
  const telemetry = startTelemetry({ service, replica: "test", logger });
  const identity = new IdentityHolder(await ca.issueService(service));
  const intakeAt = (port: number): Intake =>
    createIntake({
      listen: { host: "127.0.0.1", port },
      receiveExchanges: (door) =>
        createReceiveExchanges(
          { exchanges: options.exchanges ?? noExchanges, clock: systemClock, metrics: telemetry.metrics },
          door,
        ),
      connections: 1_000,
      connectionsPerAddress: options.connectionsPerAddress ?? 200,
      limits: { bytesPerSecond: 64 * mib, requests: 128, bytesInFlight: 64 * mib, ...options.limits },
      ...(options.bodyTimeoutMs === undefined ? {} : { bodyTimeoutMs: options.bodyTimeoutMs }),
      identity,
      bus,
      queue,
      logger,
      metrics: telemetry.metrics,
      clock: systemClock,
      ids: uuidV7Ids,
    });
  let intake = intakeAt(0);
  const open = async (): Promise<void> => {
    await startAll(intake.components);
    while (intake.health() !== undefined) await pause(10);
  };
  await startAll([telemetry, bus]);
  await open();
  const port = intake.server.address().port;
  const signer = await ca.issueService("runtime-manager");

  return {
    ca,
    nats,
    bus,
    port,
    token: async (grant = {}) => {
      const now = Date.now();
      return createGrantSigner(() => signer)({
        fabricId,
        environments: ["production"],
        issuedAt: new Date(now),
        expiresAt: new Date(now + 3_600_000),
        tokenId: uuidV7Ids.next(),
        ...grant,
      });
    },
    drain: async (count) => {
      const taken: QueueMessage[] = [];
      const { promise, resolve } = Promise.withResolvers<void>();
      const consumer = createQueueConsumer({
        bus,
        queue: "ANALYTICS",
        durable: service,
        handle: (message) => {
          message.ack();
          taken.push(message);
          if (taken.length === count) resolve();
        },
        logger,
        clock: systemClock,
      });
      await consumer.start(AbortSignal.timeout(240_000));
      await promise;
      await consumer.stop(AbortSignal.timeout(10_000));
      return taken;
    },
    waiting: async () => (await queue.usage()).messages,
    metricsText: () => telemetry.metricsText(),
    restart: async () => {
      await stopAll(intake.components);
      intake = intakeAt(port);
      await open();
    },
    stopIntake: () => stopAll(intake.components),
    [Symbol.asyncDispose]: async () => {
      await stopAll([telemetry, bus, ...intake.components]);
      await nats[Symbol.asyncDispose]();
    },
  };
}

async function startAll(components: readonly Component[]): Promise<void> {
  for (const component of components) await component.start(AbortSignal.timeout(240_000));
}

async function stopAll(components: readonly Component[]): Promise<void> {
  for (const component of components.toReversed()) await component.stop(AbortSignal.timeout(10_000));
}
