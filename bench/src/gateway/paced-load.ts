// Requests at a given pace: node paced-load.ts <port> <connections> <bursts/s; 0: one after the other> <seconds> <headers as JSON>.
// Writes the latencies' percentiles as JSON. A burst is one request on every connection; one that finds its connection busy
// waits, and its latency counts from when it was due.
import { connect, type Socket } from "node:net";

const [, , port = "", connections = "", burstsPerSecond = "", seconds = "", headers = "{}"] = process.argv;
const lines = Object.entries(JSON.parse(headers) as Record<string, string>).map(
  ([name, value]) => `${name}: ${value}\r\n`,
);
const request = Buffer.from(`GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines.join("")}\r\n`);
const latenciesMs: number[] = [];
let failures = 0;

interface Lane {
  readonly socket: Socket;
  /** When the requests that were not answered yet were due, in their order. */
  readonly due: number[];
  isBusy: boolean;
  received: string;
}

function send(lane: Lane): void {
  lane.isBusy = true;
  lane.socket.write(request);
}

function onData(lane: Lane, bytes: Buffer, onAnswer: () => void): void {
  lane.received += bytes.toString("latin1");
  for (;;) {
    const headEnd = lane.received.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const length = Number(/content-length: *(\d+)/i.exec(lane.received)?.[1] ?? 0);
    if (lane.received.length < headEnd + 4 + length) return;
    if (!lane.received.startsWith("HTTP/1.1 200")) failures += 1;
    lane.received = lane.received.slice(headEnd + 4 + length);
    latenciesMs.push(performance.now() - (lane.due.shift() ?? 0));
    lane.isBusy = false;
    onAnswer();
    if (lane.due.length > 0) send(lane);
  }
}

const lanes = await Promise.all(
  Array.from({ length: Number(connections) }, () => {
    const lane: Lane = {
      socket: connect({ port: Number(port), host: "127.0.0.1", noDelay: true }),
      due: [],
      isBusy: false,
      received: "",
    };
    lane.socket.on("data", (bytes: Buffer) =>
      onData(lane, bytes, () => {
        if (burstsPerSecond === "0") lane.due.push(performance.now());
      }),
    );
    return new Promise<Lane>((resolve) => lane.socket.once("connect", () => resolve(lane)));
  }),
);

const startMs = performance.now();
const endMs = startMs + Number(seconds) * 1_000;
if (burstsPerSecond === "0") {
  for (const lane of lanes) {
    lane.due.push(performance.now());
    send(lane);
  }
  await new Promise((resolve) => setTimeout(resolve, endMs - startMs));
} else {
  const everyMs = 1_000 / Number(burstsPerSecond);
  for (let burst = 0; startMs + burst * everyMs < endMs; burst += 1) {
    const dueMs = startMs + burst * everyMs;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    for (const lane of lanes) {
      lane.due.push(performance.now());
      if (!lane.isBusy) send(lane);
    }
  }
}
latenciesMs.sort((one, other) => one - other);
const at = (share: number): number => latenciesMs[Math.floor(latenciesMs.length * share)] ?? 0;
console.log(JSON.stringify({ requests: latenciesMs.length, failures, p50Ms: at(0.5), p99Ms: at(0.99) }));
process.exit(0);
