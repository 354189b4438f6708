// node test/measure/receive-costs.ts [batches, default 2000]: from TLS to the acknowledgement of the message bus, in batches of 500
// requests. The way in runs in a process of its own, so that its CPU can be told from that of the load.
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { openWorkQueue, type QueueEntry } from "@drawbridge/bus";
import { readQueuedBatch } from "../../src/receive/queued-batch.ts";
import { startIntake } from "../support/intake-world.ts";
import { aQueuedBatch } from "../support/queued-batches.ts";
import { bearer, connectGateway, type Http2Client } from "../support/send.ts";

const rows = 500;
const connections = 4;
const inFlight = 8;
const ticksPerSecond = 100; // USER_HZ of Linux

interface Ready {
  readonly port: number;
  readonly token: string;
  readonly roots: Parameters<typeof connectGateway>[0]["ca"]["trustBundle"];
  readonly natsPid: number;
}

const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
};

const show = (name: string, facts: Readonly<Record<string, number>>): void => {
  const texts = Object.entries(facts).map(
    ([what, value]) => `${what} ${value >= 100 ? Math.round(value) : value.toFixed(2)}`,
  );
  console.log(`${name}: ${texts.join(", ")}`);
};

// xorshift32: figures are to repeat. Cubed, so that a few values are most of all, as in traffic.
let state = 2_463_534_242;
function skewed(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return Math.floor(((state >>> 0) / 2 ** 32) ** 3 * below);
}

const epoch = Math.floor(Date.now() / 1_000);

function aBatch(sequence: number): QueueEntry {
  const now = Date.now();
  const requests = Array.from({ length: rows }, () => ({
    receivedAtMs: now - skewed(1_000),
    application: `application ${skewed(800)}`,
    resourcePath: `/resources-${skewed(40)}/{id}`,
    status: [200, 201, 404, 500][skewed(4)] ?? 200,
    latencyUs: 800 + skewed(200_000),
    upstreamUs: 500 + skewed(150_000),
    requestBytes: skewed(4_000),
    responseBytes: skewed(60_000),
    clientAddress: `10.${skewed(250)}.${skewed(250)}.${skewed(250)}`,
    userAgent: `Mozilla/5.0 (X11; Linux x86_64) Chrome/${skewed(120)}.0.${skewed(10)}.0 Safari/537.36`,
    replica: `orders-app-${skewed(3)}`,
  }));
  return aQueuedBatch({ sequence, epoch, requests });
}

const framesFrom = (first: number, count: number): readonly Uint8Array[] =>
  Array.from({ length: count }, (_, index) => aBatch(first + index).bytes);

if (process.argv[2] === "serve") await serve();
else await measure(Number(process.argv[2] ?? 2_000));

async function serve(): Promise<void> {
  const world = await startIntake({ limits: { bytesPerSecond: 2 ** 40, requests: 1_000, bytesInFlight: 2 ** 30 } });
  const natsPid = Number(readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ")[0]);
  await compareForms(world.bus, natsPid);
  const ready: Ready = { port: world.port, token: await world.token(), roots: world.ca.trustBundle, natsPid };
  process.send?.(ready);
  await once(process, "message");
  await world[Symbol.asyncDispose]();
  process.exit(0);
}

/** What a batch costs on its way into the queue as a zstd frame, and as it is. */
async function compareForms(bus: Parameters<typeof openWorkQueue>[0], natsPid: number): Promise<void> {
  const queue = openWorkQueue(bus, "ANALYTICS");
  const count = 500;
  for (const form of ["plain", "zstd"] as const) {
    const entries = Array.from({ length: count }, (_, index): QueueEntry => {
      const entry = aBatch(index + 1);
      const header = (name: string): string => entry.headers[name] ?? "";
      const bytes = form === "zstd" ? entry.bytes : readQueuedBatch({ bytes: entry.bytes, header }).bytes;
      return { ...entry, id: `${form}:${entry.id}`, bytes };
    });
    const before = { wall: performance.now(), nats: cpuSeconds(natsPid), own: process.cpuUsage() };
    const waiting = entries.values();
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (const entry of waiting) await queue.publish(entry);
      }),
    );
    const own = process.cpuUsage(before.own);
    const events = count * rows;
    show(`queue ${form}`, {
      "bytes/batch": entries[0]?.bytes.length ?? 0,
      "events/s": events / ((performance.now() - before.wall) / 1_000),
      "us CPU/event, publisher": (own.user + own.system) / events,
      "us CPU/event, nats-server": ((cpuSeconds(natsPid) - before.nats) * 1e6) / events,
    });
  }
}

async function measure(batches: number): Promise<void> {
  const server = fork(import.meta.filename, ["serve"], { stdio: "inherit", serialization: "advanced" });
  const [ready] = (await once(server, "message")) as [Ready];
  // Of the bundle only what TLS asks for.
  const ca = { trustBundle: ready.roots } as Parameters<typeof connectGateway>[0]["ca"];
  const gateways = await Promise.all(
    Array.from({ length: connections }, () => connectGateway({ ca, port: ready.port })),
  );
  const headers = { ...bearer(ready.token), "content-encoding": "zstd" };
  await flood({ server, ready, gateways, headers, bodies: framesFrom(1_000_000, batches / 2) }, "warming up");
  await flood({ server, ready, gateways, headers, bodies: framesFrom(2_000_000, batches) }, "as fast as it goes");
  await paced({ gateways, headers, bodies: framesFrom(3_000_000, 500) });
  for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
  server.send("done");
  await once(server, "exit");
}

interface Load {
  readonly gateways: readonly Http2Client[];
  readonly headers: Readonly<Record<string, string>>;
  readonly bodies: readonly Uint8Array[];
}

async function timed(gateway: Http2Client, body: Uint8Array, headers: Load["headers"]): Promise<number> {
  const startedMs = performance.now();
  const { status } = await gateway.send(body, headers);
  if (status !== 200) throw new Error(`answered ${status}`);
  return performance.now() - startedMs;
}

async function flood(
  load: Load & { readonly server: ChildProcess; readonly ready: Ready },
  name: string,
): Promise<void> {
  const pids = { server: load.server.pid ?? 0, nats: load.ready.natsPid };
  const before = { wall: performance.now(), server: cpuSeconds(pids.server), nats: cpuSeconds(pids.nats) };
  const waiting = load.bodies.values();
  const times: number[] = [];
  await Promise.all(
    load.gateways.flatMap((gateway) =>
      Array.from({ length: inFlight }, async () => {
        for (const body of waiting) times.push(await timed(gateway, body, load.headers));
      }),
    ),
  );
  const events = load.bodies.length * rows;
  show(name, {
    "events/s": events / ((performance.now() - before.wall) / 1_000),
    "us CPU/event, analytics-ingest": ((cpuSeconds(pids.server) - before.server) * 1e6) / events,
    "us CPU/event, nats-server": ((cpuSeconds(pids.nats) - before.nats) * 1e6) / events,
    ...percentiles(times),
  });
}

/** 50,000 requests a second. */
async function paced({ gateways, headers, bodies }: Load): Promise<void> {
  const intervalMs = 1_000 / (50_000 / rows);
  const startedMs = performance.now();
  const sending = bodies.map(async (body, index) => {
    await pause(Math.max(0, startedMs + index * intervalMs - performance.now()));
    const gateway = gateways[index % gateways.length];
    if (gateway === undefined) throw new Error("no gateway");
    return timed(gateway, body, headers);
  });
  show("50,000 events/s", percentiles(await Promise.all(sending)));
}

function percentiles(times: number[]): Readonly<Record<string, number>> {
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { "ack ms p50": at(0.5), p99: at(0.99) };
}
