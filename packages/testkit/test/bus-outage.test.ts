import { connectBus, createConsumer } from "@drawbridge/bus";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createTestLogger, startTestNats } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { startAll, until } from "./ledger-fixture.ts";

test("refuses to publish while the server is away, logs the outage once, and consumes again by itself", async () => {
  await using nats = await startTestNats();
  const { logger, withMessage } = createTestLogger();
  const bus = connectBus({ url: nats.url, credentials: nats.credentials, name: "test", logger });
  const seen: string[] = [];
  const consumer = createConsumer({
    bus,
    stream: "CONFIG",
    durable: "outage",
    types: ["config.bundle.stored.v1"],
    handle: (event) => Promise.resolve(void seen.push(event.payload.digest)),
    logger,
    clock: systemClock,
  });
  const publish = (digest: string): Promise<void> =>
    bus.publishEvent({
      id: uuidV7Ids.next(),
      type: "config.bundle.stored.v1",
      scope: "fabric",
      occurredAt: systemClock.now(),
      traceparent: "",
      payloadJson: JSON.stringify({ digest }),
    });
  await using _running = await startAll(bus, consumer);
  await publish("before");
  await until(() => seen.length === 1);
  await nats.kill();
  await until(() => bus.health() !== undefined);
  await expect(publish("while away")).rejects.toMatchObject({ code: "BUS_UNAVAILABLE", kind: "unavailable" });
  await nats.start();
  await until(() =>
    publish("after").then(
      () => true,
      () => false,
    ),
  );
  await until(() => seen.includes("after"));
  expect(bus.health()).toBeUndefined();
  expect(withMessage("message bus lost, will retry")).toHaveLength(1);
  expect(withMessage("message bus is back")).toHaveLength(1);
});

test("waits for a server that starts later", async () => {
  await using nats = await startTestNats();
  await nats.stop();
  const { logger, withMessage } = createTestLogger();
  const bus = connectBus({ url: nats.url, credentials: nats.credentials, name: "early", logger });
  const starting = bus.start(new AbortController().signal);
  await until(() => withMessage("message bus does not answer, will retry").length === 1);
  expect(bus.health()).toBe("the message bus has not been reached yet");
  await nats.start();
  await starting;
  expect(bus.health()).toBeUndefined();
  await bus.stop(AbortSignal.timeout(5_000));
});

test("gives up waiting when the process is told to stop", async () => {
  await using nats = await startTestNats();
  await nats.stop();
  const bus = connectBus({ url: nats.url, name: "impatient", logger: createTestLogger().logger });
  const stopping = new AbortController();
  const starting = bus.start(stopping.signal);
  stopping.abort(new Error("told to stop"));
  await expect(starting).rejects.toThrow("told to stop");
});

test("refuses a login that is wrong without ever showing it", async () => {
  await using nats = await startTestNats();
  const { logger, records, withMessage } = createTestLogger();
  const bus = connectBus({ url: nats.url, credentials: "drawbridge:wrong-password-7", name: "wrong", logger });
  const stopping = new AbortController();
  const starting = bus.start(stopping.signal);
  await until(() => withMessage("message bus does not answer, will retry").length === 1);
  stopping.abort(new Error("seen enough"));
  await expect(starting).rejects.toThrow("seen enough");
  expect(JSON.stringify(records)).not.toContain("wrong-password-7");
});
