import { readFile } from "node:fs/promises";
import {
  connectBus,
  createConsumer,
  permissionsOf,
  provisionBus,
  serviceAccess,
  serviceNames,
  type Bus,
  type OutgoingEvent,
  type ServiceAccess,
  type ServiceName,
  type StreamName,
  streamOf,
} from "@drawbridge/bus";
import { eventCodecs, type EventType } from "@drawbridge/contracts";
import { systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { startNats, type ManagedNats } from "@drawbridge/local";
import { createTestLogger, tempDir, type TempDir } from "@drawbridge/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAll, until } from "./ledger-fixture.ts";
import { hpub, pub, rawNats } from "./raw-nats.ts";

const { logger, records } = createTestLogger();
const refusals = (): number =>
  records.filter(({ err }) => JSON.stringify(err ?? "").includes("BUS_PERMISSION_DENIED")).length;
// The keys of eventCodecs are the event types.
const types = Object.keys(eventCodecs) as EventType[];
const access: Readonly<Record<ServiceName, ServiceAccess>> = serviceAccess;
const buses = new Map<ServiceName, Bus>();
/** "durable type scope" of every event that reached a handler. */
const handled: string[] = [];
let folder: TempDir;
let nats: ManagedNats;

beforeAll(async () => {
  folder = await tempDir();
  nats = await startProvisioned(folder.path);
  for (const service of serviceNames) {
    const bus = connectBus({ url: nats.url, credentials: await loginOf(service), name: service, service, logger });
    buses.set(service, bus);
    await bus.start(AbortSignal.timeout(240_000));
    for (const [stream, consumed] of Object.entries(access[service].consumes)) {
      const consumer = createConsumer({
        bus,
        stream,
        durable: service,
        types: consumed,
        handle: (event) => Promise.resolve(void handled.push(`${service} ${event.type} ${event.scope}`)),
        logger,
        clock: systemClock,
      });
      consumers.push(consumer);
      await consumer.start(AbortSignal.timeout(240_000));
    }
  }
}, 120_000);
const consumers: ReturnType<typeof createConsumer>[] = [];
afterAll(async () => {
  const deadline = AbortSignal.timeout(10_000);
  await Promise.all(consumers.map((consumer) => consumer.stop(deadline)));
  await Promise.all([...buses.values()].map((bus) => bus.stop(deadline)));
  await nats.stop();
  await folder[Symbol.asyncDispose]();
});

function startProvisioned(stateDir: string): Promise<ManagedNats> {
  const provision = (server: { readonly url: string; readonly credentials: string }): Promise<void> =>
    provisionBus({ ...server, logger }, AbortSignal.timeout(240_000));
  return startNats({ stateDir, port: 0, provision });
}

async function loginOf(service: ServiceName, server: ManagedNats = nats): Promise<string> {
  return (await readFile(server.credentialsFileOf(service), "utf8")).trim();
}

function busOf(service: ServiceName): Bus {
  const bus = buses.get(service);
  if (!bus) throw new Error(`no bus of ${service}`);
  return bus;
}

function publish(service: ServiceName, type: EventType, scope: string): Promise<void> {
  return busOf(service).publishEvent(anEvent(type, scope));
}

function anEvent(type: EventType, scope: string): OutgoingEvent {
  const payloadJson = JSON.stringify({ fabricId: scope });
  return { id: uuidV7Ids.next(), type, scope, occurredAt: systemClock.now(), traceparent: "", payloadJson };
}

function ownerOf(stream: StreamName): ServiceName {
  const owner = serviceNames.find((service) => access[service].owns === stream);
  if (!owner) throw new Error(`nobody owns ${stream}`);
  return owner;
}

/** As the people's login sees it: how many messages a stream has taken. */
async function lastSequence(stream: string, server: ManagedNats = nats): Promise<number> {
  using admin = await rawNats(server.url, `${server.credentials.user}:${server.credentials.password}`);
  const inbox = `_INBOX.${uuidV7Ids.next()}`;
  let said = await admin.say(`SUB ${inbox} 1`, pub(`$JS.API.STREAM.INFO.${stream}`, "", inbox));
  while (!said.includes('"last_seq"')) said += await admin.say();
  return Number(/"last_seq":\s*(\d+)/.exec(said)?.[1]);
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

test("what a service does, its login may do: events of its own stream reach every durable, nothing is refused", async () => {
  for (const type of types) await publish(ownerOf(streamOf(type)), type, "fabric-own");
  const expected = serviceNames.flatMap((service) =>
    Object.values(access[service].consumes)
      .flat()
      .map((type) => `${service} ${type} fabric-own`),
  );
  await until(() => handled.length >= expected.length);
  expect(handled.toSorted()).toEqual(expected.toSorted());
  expect(refusals()).toBe(0);
});

test("replicas of runtime-manager command and answer each other, and keep the owners of tunnels", async () => {
  const bus = busOf("runtime-manager");
  const answering = bus.respond("tun.runtime-manager-0.*", () => Promise.resolve(bytes("done")));
  await answering.ready;
  const answer = await bus.request("tun.runtime-manager-0.agent", bytes("open"), { timeoutMs: 5_000 });
  expect(Buffer.from(answer).toString()).toBe("done");
  await answering.close();
  const owners = await bus.kv("tunnel-owner", { ttlMs: 30_000, storage: "memory" });
  const revision = await owners.put("agent", bytes("runtime-manager-0"));
  expect(await owners.get("agent")).toMatchObject({ revision });
  expect(await owners.delete("agent", revision)).toBe("written");
  expect(refusals()).toBe(0);
});

test("a revocation of cert-authority reaches everybody who lets fabrics in, by word and by bucket", async () => {
  const authority = busOf("cert-authority");
  const written = await authority.kv("revoked");
  expect((await written.create("serial-1", bytes("{}"))).outcome).toBe("written");
  expect(await written.get("serial-1")).toBeDefined();
  const readers = serviceNames.filter((service) => access[service].buckets.revoked === "reader");
  expect(readers.length).toBeGreaterThan(3);
  const heard = new Set<string>();
  const closing: (() => Promise<void>)[] = [];
  for (const service of readers) {
    const bus = busOf(service);
    const bucket = await bus.kv("revoked");
    const watching = await bucket.watch(({ change }) => void heard.add(`${service} ${change}`));
    const listening = bus.subscribe("ctl.revoked", () => void heard.add(`${service} heard`));
    await listening.ready;
    expect(await bucket.keys()).toEqual(["serial-1"]);
    closing.push(
      () => watching.close(),
      () => listening.close(),
    );
  }
  await authority.broadcast("ctl.revoked", bytes("{}"));
  await until(() => heard.size === 2 * readers.length);
  await Promise.all(closing.map((close) => close()));
  expect(refusals()).toBe(0);
});

test.each(types)("refuses %s from every login but its owner's", async (type) => {
  const stream = streamOf(type);
  const before = { taken: await lastSequence(stream), handled: handled.length };
  const subject = `drawbridge.${type}.fabric-forged`;
  const headers = {
    "Nats-Msg-Id": uuidV7Ids.next(),
    "Drawbridge-Occurred-At": systemClock.now().toISOString(),
    "Drawbridge-Subject": subject,
  };
  const others = serviceNames.filter((service) => service !== ownerOf(stream));
  for (const service of others) {
    using thief = await rawNats(nats.url, await loginOf(service));
    const said = await thief.say(hpub(subject, headers, JSON.stringify({ fabricId: "fabric-forged" })));
    expect(said, service).toContain(`-ERR 'Permissions Violation for Publish to "${subject}"'`);
  }
  expect(await lastSequence(stream)).toBe(before.taken);
  expect(handled).toHaveLength(before.handled);
});

test.each(serviceNames)("%s can listen to no answers but its own, and to no events", async (service) => {
  using thief = await rawNats(nats.url, await loginOf(service));
  const foreign = serviceNames.filter((other) => other !== service).map((other) => `_INBOX_${other}.>`);
  for (const subject of [...foreign, "_INBOX.>", ">", "drawbridge.>", "$JS.>", "$KV.>", "ctl.>", "_INBOX_*.>"]) {
    expect(await thief.say(`SUB ${subject} 9`), subject).toContain(
      `-ERR 'Permissions Violation for Subscription to "${subject}"'`,
    );
  }
});

const power = [
  ...["CREATE", "UPDATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE", "LEADER.STEPDOWN"].map(
    (verb) => (stream: string) => `$JS.API.STREAM.${verb}.${stream}`,
  ),
  (stream: string) => `$JS.API.CONSUMER.CREATE.${stream}.mine`,
  (stream: string) => `$JS.API.CONSUMER.CREATE.${stream}.mine.drawbridge.>`,
  (stream: string) => `$JS.API.CONSUMER.CREATE.${stream}`,
  (stream: string) => `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.mine`,
];

test.each(serviceNames)(
  "%s can make, change, empty or remove no stream and no durable, its own included",
  async (service) => {
    using thief = await rawNats(nats.url, await loginOf(service));
    const buckets = access[service].buckets;
    const written = Object.entries(buckets).flatMap(([name, use]) => (use === "writer" ? [`KV_${name}`] : []));
    for (const stream of ["ACTIVATION", "CERTS", "RUNTIME", "CONFIG", "DEAD", "ANALYTICS", "EXTRA", ...written]) {
      for (const subjectOf of power) {
        const subject = subjectOf(stream);
        expect(await thief.say(pub(subject, "{}")), subject).toContain(
          `-ERR 'Permissions Violation for Publish to "${subject}"'`,
        );
      }
    }
  },
);

test("what the server was asked to deliver on a subject of others is believed by nobody", async () => {
  // A stolen login of management-api may ask for events of ACTIVATION, and may name any subject for the answer.
  await using empty = await tempDir();
  const server = await startProvisioned(empty.path);
  await using _stopped = { [Symbol.asyncDispose]: () => server.stop() };
  const log = createTestLogger();
  const connect = (login: string, service?: ServiceName): Bus =>
    connectBus({
      url: server.url,
      credentials: login,
      name: "test",
      logger: log.logger,
      ...(service ? { service } : {}),
    });
  const admin = connect(`${server.credentials.user}:${server.credentials.password}`);
  const authority = connect(await loginOf("cert-authority", server), "cert-authority");
  const manager = connect(await loginOf("runtime-manager", server), "runtime-manager");
  const believed: string[] = [];
  const victim = createConsumer({
    bus: authority,
    stream: "RUNTIME",
    durable: "cert-authority",
    types: ["runtime.fabric.deleted.v1"],
    handle: (event) => Promise.resolve(void believed.push(event.scope)),
    logger: log.logger,
    clock: systemClock,
  });
  await using _running = await startAll(admin, authority, manager, victim);
  const listening = manager.subscribe("ctl.kick.*", ({ subject }) => void believed.push(subject));
  await listening.ready;

  await admin.publishEvent(anEvent("activation.token.redeemed.v1", "fabric-1"));
  await admin.publishEvent(anEvent("activation.token.redeemed.v1", "fabric-2"));
  using thief = await rawNats(server.url, await loginOf("management-api", server));
  const ask = (answerTo: string): Promise<string> =>
    thief.say(pub("$JS.API.CONSUMER.MSG.NEXT.ACTIVATION.management-api", '{"batch":1}', answerTo));
  expect(await ask("drawbridge.runtime.fabric.deleted.v1.fabric-1")).not.toContain("-ERR");
  expect(await ask("ctl.kick.agent-1")).not.toContain("-ERR");
  expect(await thief.say(pub("$JS.API.STREAM.INFO.ACTIVATION", "", "ctl.kick.agent-1"))).not.toContain("-ERR");

  // The stream takes what it is given, under the subject that it was sent to: no durable asks for that here.
  await admin.publishEvent(anEvent("runtime.fabric.deleted.v1", "fabric-3"));
  await until(() => believed.includes("fabric-3"));
  await manager.broadcast("ctl.kick.agent-2", bytes("{}"));
  await until(() => believed.includes("ctl.kick.agent-2"));
  expect(believed).toEqual(["fabric-3", "ctl.kick.agent-2"]);
  expect(log.withMessage("a message that was not sent to this subject is dropped")).not.toHaveLength(0);
});

test("a service without its own login's rights says what is to be done, and goes on when it was done", async () => {
  await using empty = await tempDir();
  const bare = await startNats({ stateDir: empty.path, port: 0 });
  const log = createTestLogger();
  const credentials = (await readFile(bare.credentialsFileOf("activation"), "utf8")).trim();
  const bus = connectBus({
    url: bare.url,
    credentials,
    name: "activation-0",
    service: "activation",
    logger: log.logger,
  });
  const starting = bus.start(AbortSignal.timeout(240_000));
  await until(() => JSON.stringify(log.records).includes("BUS_NOT_PROVISIONED"));
  const { user, password } = bare.credentials;
  await provisionBus({ url: bare.url, credentials: `${user}:${password}`, logger }, AbortSignal.timeout(240_000));
  await starting;
  await bus.stop(AbortSignal.timeout(5_000));
  await bare.stop();
});

test("every login may listen to its own answers only, and to nothing by default", () => {
  for (const service of serviceNames) {
    const { publish: said, subscribe } = permissionsOf(service);
    expect(subscribe[0]).toBe(`_INBOX_${service}.>`);
    expect([...said, ...subscribe]).not.toContain(">");
  }
});
