import { connectBus, type Bus, type KeyValueChange } from "@drawbridge/bus";
import { DrawbridgeError } from "@drawbridge/errors";
import { createTestLogger, startTestNats, type TestNats } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "./ledger-fixture.ts";

const { logger, records } = createTestLogger();
let nats: TestNats;
let bus: Bus;
let other: Bus;

beforeAll(async () => {
  nats = await startTestNats();
  const connect = async (name: string): Promise<Bus> => {
    const connection = connectBus({ url: nats.url, credentials: nats.credentials, name, logger });
    await connection.start(new AbortController().signal);
    return connection;
  };
  [bus, other] = await Promise.all([connect("one"), connect("two")]);
});
afterAll(async () => {
  await Promise.all([bus.stop(AbortSignal.timeout(5_000)), other.stop(AbortSignal.timeout(5_000))]);
  await nats[Symbol.asyncDispose]();
});

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (data: Uint8Array): string => Buffer.from(data).toString();

test("carries a request to the replica that answers on its subject", async () => {
  const answering = other.respond("tun.replica-2.*", (message) => Promise.resolve(bytes(`${text(message.data)} done`)));
  await answering.ready;
  expect(text(await bus.request("tun.replica-2.agent-1", bytes("kick"), { timeoutMs: 5_000 }))).toBe("kick done");
  await answering.close();
});

test("says at once that nobody answers", async () => {
  await expect(bus.request("tun.nobody.agent-1", bytes("x"), { timeoutMs: 60_000 })).rejects.toMatchObject({
    code: "BUS_NO_RESPONDER",
    kind: "unavailable",
  });
});

test("gives up on an answer that does not come", async () => {
  const silent = other.respond("tun.silent.*", () => new Promise<never>(() => undefined));
  await silent.ready;
  await expect(bus.request("tun.silent.agent-1", bytes("x"), { timeoutMs: 50 })).rejects.toMatchObject({
    code: "BUS_TIMEOUT",
    kind: "deadline_exceeded",
  });
  void silent.close(); // the handler never ends
});

test("carries the responder's error to the asker, and of a foreign error nothing but that it happened", async () => {
  const answering = other.respond("tun.failing.*", (message) => {
    if (text(message.data) === "known") {
      throw new DrawbridgeError({
        kind: "not_found",
        code: "TUNNEL_NOT_HERE",
        message: "the tunnel is not here: ünïcode\nand lines",
        details: { agentId: "a1" },
        retryAfterMs: 250,
      });
    }
    throw new Error("secret of the responder");
  });
  await answering.ready;
  await expect(bus.request("tun.failing.a", bytes("known"), { timeoutMs: 5_000 })).rejects.toMatchObject({
    kind: "not_found",
    code: "TUNNEL_NOT_HERE",
    message: "the tunnel is not here: ünïcode\nand lines",
    details: { agentId: "a1" },
    retryAfterMs: 250,
  });
  await expect(bus.request("tun.failing.a", bytes("foreign"), { timeoutMs: 5_000 })).rejects.toMatchObject({
    kind: "internal",
    code: "INTERNAL",
    message: "something went wrong",
  });
  await answering.close();
});

test("broadcasts to every subscriber, and to one of each queue", async () => {
  const heard: string[] = [];
  const listeners = [
    bus.subscribe("ctl.kick.*", (message) => void heard.push(`one ${message.subject}`)),
    other.subscribe("ctl.kick.*", (message) => void heard.push(`two ${message.subject}`)),
    bus.subscribe("ctl.kick.*", () => void heard.push("queue"), { queue: "q" }),
    other.subscribe("ctl.kick.*", () => void heard.push("queue"), { queue: "q" }),
  ];
  await Promise.all(listeners.map((listener) => listener.ready));
  await bus.broadcast("ctl.kick.a1", bytes("revoked"));
  await until(() => heard.length >= 3);
  expect(heard.toSorted()).toEqual(["one ctl.kick.a1", "queue", "two ctl.kick.a1"]);
  await Promise.all(listeners.map((listener) => listener.close()));
});

test("goes on delivering after a handler failed, and logs it", async () => {
  const heard: string[] = [];
  const listener = bus.subscribe("ctl.fragile.*", (message) => {
    if (text(message.data) === "bad") throw new Error("cannot");
    heard.push(text(message.data));
  });
  await listener.ready;
  await bus.broadcast("ctl.fragile.a", bytes("bad"));
  await bus.broadcast("ctl.fragile.a", bytes("good"));
  await until(() => heard.length === 1);
  expect(records.some((record) => record.msg === "handling a message failed")).toBe(true);
  await listener.close();
});

test("lets one of two replicas create or change a key", async () => {
  const [mine, theirs] = await Promise.all([bus.kv("owner"), other.kv("owner")]);
  const results = await Promise.all([mine.create("a1", bytes("one")), theirs.create("a1", bytes("two"))]);
  expect(results.map((result) => result.outcome).toSorted()).toEqual(["conflict", "written"]);
  const revision = (await mine.get("a1"))?.revision ?? 0;
  const updates = await Promise.all([
    mine.update("a1", bytes("one"), revision),
    theirs.update("a1", bytes("two"), revision),
  ]);
  expect(updates.map((result) => result.outcome).toSorted()).toEqual(["conflict", "written"]);
  expect(await mine.delete("a1", revision)).toBe("conflict");
  expect(await mine.delete("a1")).toBe("written");
  expect(await theirs.get("a1")).toBeUndefined();
  expect(await theirs.create("a1", bytes("new"))).toMatchObject({ outcome: "written" });
  expect(await mine.keys()).toEqual(["a1"]);
});

test("forgets a key that nobody renews, and tells who watches (servers from 2.11)", async () => {
  const bucket = await bus.kv("leases", { ttlMs: 1_000, storage: "memory" });
  const changes: KeyValueChange["change"][] = [];
  const watching = await (
    await other.kv("leases", { ttlMs: 1_000, storage: "memory" })
  ).watch(({ change }) => {
    changes.push(change);
  });
  await bucket.put("a1", bytes("replica-1"));
  await until(() => changes.includes("put"));
  await until(async () => (await bucket.get("a1")) === undefined);
  if (Number(bus.serverVersion?.split(".")[1]) >= 11) await until(() => changes.includes("gone"));
  expect(await bucket.create("a1", bytes("replica-2"))).toMatchObject({ outcome: "written" });
  await watching.close();
});
