import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { Secret } from "@drawbridge/config";
import { systemClock } from "@drawbridge/lifecycle";
import { openStore, type Store } from "@drawbridge/store";
import { startTelemetry } from "@drawbridge/telemetry";
import { createTestLogger, FakeClock, startTestPostgres } from "@drawbridge/testkit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Channel } from "../src/delivery/channel.ts";
import { createDelivery } from "../src/delivery/deliver-notifications.ts";
import { createWebhook } from "../src/delivery/webhook.ts";
import type { NotificationContent } from "../src/domain/notification.ts";
import type { AlertingDatabase } from "../src/store/database.ts";
import { createNotifications } from "../src/store/notifications.ts";

const forever = new AbortController().signal;
const { logger } = createTestLogger();
const cleanup = new AsyncDisposableStack();
let store: Store<AlertingDatabase>;

beforeAll(async () => {
  const postgres = cleanup.use(await startTestPostgres());
  const migrations = join(import.meta.dirname, "../migrations");
  const database = cleanup.use(await postgres.createDatabase({ schema: "alerting", migrations }));
  store = openStore<AlertingDatabase>({ url: database.url, schema: "alerting", logger });
  await store.start(forever);
  cleanup.defer(() => store.stop(AbortSignal.timeout(1_000)));
});
beforeEach(async () => void (await store.db.deleteFrom("notification").execute()));
afterAll(() => cleanup.disposeAsync());

const content: NotificationContent = {
  notificationId: randomUUID(),
  incidentId: randomUUID(),
  kind: "firing",
  rule: "r",
  environment: "e",
  series: "",
  figure: "errors",
  bound: "above 1",
  value: 2,
  since: "",
  at: "",
  summary: "",
};

/** Due `dueMs` after `clock` says; answers its id. */
async function waits(
  clock: Pick<FakeClock, "now">,
  row: { readonly receiver: string; readonly kind?: "firing" | "resolved"; readonly incident?: string },
  dueMs = 0,
): Promise<string> {
  const id = randomUUID();
  await store.db
    .insertInto("notification")
    .values({
      notification_id: id,
      incident_id: row.incident ?? randomUUID(),
      kind: row.kind ?? "firing",
      receiver: row.receiver,
      content: JSON.stringify({ ...content, notificationId: id }),
      created_at: clock.now(),
      next_attempt_at: new Date(clock.now().getTime() + dueMs),
      attempts: 0,
      state: "waiting",
      last_problem: "",
    })
    .execute();
  return id;
}

const read = (id: string) =>
  store.db.selectFrom("notification").selectAll().where("notification_id", "=", id).executeTakeFirstOrThrow();

function deliveryBy(channels: Readonly<Record<string, Channel>>, clock: FakeClock) {
  const { metrics } = startTelemetry({ service: "alerting", replica: "alerting-0", logger });
  return createDelivery({
    notifications: createNotifications(store),
    channel: (receiver) => channels[receiver],
    clock,
    random: { next: () => 0 },
    logger,
    metrics,
  });
}

const delivered: Channel = () => Promise.resolve({ outcome: "delivered" });

test("a receiver that switches protocols has not answered", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on a port
  const secret = new Secret("a secret of the receiver, long enough");
  const webhook = createWebhook({
    url: `http://127.0.0.1:${port}/`,
    allowLoopbackHttp: true,
    secret,
    clock: systemClock,
  });
  const result = await webhook(content, forever);
  server.close();
  expect(result).toEqual({
    outcome: "failed",
    problem: "it closed the connection without an answer",
    ends: "later",
  });
});

test("a way to a receiver that never ends is given up before the claim ends, and others are told", async () => {
  const clock = new FakeClock();
  let isCut = false;
  const endless: Channel = (_content, signal) => {
    signal.addEventListener("abort", () => (isCut = true));
    return new Promise(() => undefined);
  };
  const stuck = await waits(clock, { receiver: "endless" });
  const delivery = deliveryBy({ endless, other: delivered }, clock);
  await delivery.start(forever);
  await clock.waitForSleep();
  const other = await waits(clock, { receiver: "other" });
  clock.advance(40_000);
  await expect
    .poll(() => read(stuck))
    .toMatchObject({ state: "waiting", attempts: 1, last_problem: "it took too long" });
  expect(isCut).toBe(true);
  await clock.waitForSleep();
  clock.advance(1_000);
  await expect.poll(() => read(other)).toMatchObject({ state: "delivered" });
  await delivery.stop(forever);
});

test("a way to a receiver that never ends does not hold up the stop", async () => {
  const clock = new FakeClock();
  const stuck = await waits(clock, { receiver: "endless" });
  const delivery = deliveryBy({ endless: () => new Promise(() => undefined) }, clock);
  await delivery.start(forever);
  await clock.waitForSleep();
  await delivery.stop(forever);
  expect(await read(stuck)).toMatchObject({ state: "waiting", last_problem: "" });
});
