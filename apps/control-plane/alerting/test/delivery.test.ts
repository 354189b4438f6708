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
import { createMail } from "../src/delivery/mail.ts";
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

test("a mail server that answers each line late is left when the mail as a whole takes too long", async () => {
  const closed = Promise.withResolvers<void>();
  let mails = 0;
  const server = createServer((socket) => {
    socket.on("error", () => undefined).on("close", () => closed.resolve());
    socket.write("220 mail.test\r\n");
    socket.on("data", (piece) => {
      const line = piece.toString();
      if (line.startsWith("DATA")) mails += 1;
      if (line.startsWith("EHLO")) socket.write("250 ok\r\n"); // and nothing after MAIL FROM
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // it listens on a port
  const mail = createMail({
    server: new Secret(`smtp://127.0.0.1:${port}`),
    from: "a@example.com",
    to: ["b@example.com"],
    limitMs: 300,
  });
  expect(await mail(content, forever)).toEqual({
    outcome: "failed",
    problem: "the mail server took too long",
    ends: "later",
  });
  await closed.promise;
  server.close();
  expect(mails).toBe(0);
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

test("a receiver that the file does not have yet is told when it has", async () => {
  const clock = new FakeClock();
  const channels: Record<string, Channel> = {};
  const id = await waits(clock, { receiver: "new" });
  const delivery = deliveryBy(channels, clock);
  await delivery.start(forever);
  await expect
    .poll(() => read(id))
    .toMatchObject({ state: "waiting", last_problem: "the receiver is not in the file" });
  channels["new"] = delivered;
  await clock.waitForSleep();
  clock.advance(5_000);
  await expect.poll(() => read(id)).toMatchObject({ state: "delivered", attempts: 2 });
  await delivery.stop(forever);
});

test("a receiver that the file never has is given up after a day", async () => {
  const clock = new FakeClock();
  const id = await waits(clock, { receiver: "nobody" });
  clock.advance(86_400_000);
  const delivery = deliveryBy({}, clock);
  await delivery.start(forever);
  await expect.poll(() => read(id)).toMatchObject({ state: "given up" });
  await delivery.stop(forever);
});

const claimBy = async (clock: FakeClock, limit: number): Promise<readonly string[]> => {
  const now = clock.now();
  const until = new Date(now.getTime() + 60_000);
  const due = await createNotifications(store).claim({ now, until, limit });
  return due.map(({ notificationId }) => notificationId).toSorted();
};

test("that it is over waits while the same receiver was not told that it fires", async () => {
  const clock = new FakeClock();
  const incident = randomUUID();
  const firing = await waits(clock, { receiver: "a", incident }, 10_000);
  const over = await waits(clock, { receiver: "a", incident, kind: "resolved" });
  const overOfOther = await waits(clock, { receiver: "b", incident, kind: "resolved" });
  expect(await claimBy(clock, 10)).toEqual([overOfOther]);
  clock.advance(10_000);
  expect(await claimBy(clock, 10)).toEqual([firing]);
  expect(await claimBy(clock, 10)).toEqual([]);
  await createNotifications(store).delivered(firing);
  expect(await claimBy(clock, 10)).toEqual([over]);
});

test("a receiver with much to be told leaves room for the others, and is told the oldest first", async () => {
  const clock = new FakeClock();
  const many: string[] = [];
  for (const dueMs of [-50, -40, -30, -20, -10]) many.push(await waits(clock, { receiver: "away" }, dueMs));
  const other = await waits(clock, { receiver: "other" });
  expect(await claimBy(clock, 2)).toEqual([...many.slice(0, 1), other].toSorted());
  expect(await claimBy(clock, 16)).toEqual(many.slice(1, 4).toSorted());
  expect(await claimBy(clock, 16)).toEqual(many.slice(4));
});

test("two replicas that claim at once get nothing twice", async () => {
  const clock = new FakeClock();
  const ids: string[] = [];
  for (const receiver of ["a", "b", "c", "d"]) for (const _ of [1, 2]) ids.push(await waits(clock, { receiver }));
  const claimed = await Promise.all(Array.from({ length: 8 }, () => claimBy(clock, 4)));
  while (claimed.at(-1)?.length !== 0) claimed.push(await claimBy(clock, 4));
  expect(claimed.flat().toSorted()).toEqual(ids.toSorted());
});
