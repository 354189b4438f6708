import { once } from "node:events";
import { Agent, request } from "node:https";
import type { IncomingMessage } from "node:http";
import { gzipSync } from "node:zlib";
import { clientTlsOptions, type IdentitySnapshot } from "@drawbridge/pki";
import { messageOf, type Sample } from "./otlp-message.ts";

export interface Sent {
  readonly samples: number;
  readonly bytes: number;
  readonly latenciesMs: readonly number[];
}

/** Of a fabric, at the same time: half of what it may, so that the connections of all are no stampede. */
const inFlight = 4;

/** One collector: messages made one after the other, and sent as fast as they are answered. */
export async function sendSamples(
  to: { readonly port: number; readonly identity: IdentitySnapshot },
  messages: Iterable<readonly Sample[]>,
): Promise<Sent> {
  const tls = clientTlsOptions(to.identity, { expectedServer: "/cp/monitoring-ingest", alpnProtocols: ["http/1.1"] });
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: inFlight });
  const iterator = messages[Symbol.iterator]();
  const latenciesMs: number[] = [];
  let [samples, bytes] = [0, 0];
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      const body = gzipSync(messageOf(next.value), { level: 1 });
      const beganMs = performance.now();
      await send(agent, to.port, body);
      latenciesMs.push(performance.now() - beganMs);
      samples += next.value.length;
      bytes += body.length;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  agent.destroy();
  return { samples, bytes, latenciesMs };
}

async function send(agent: Agent, port: number, body: Uint8Array): Promise<void> {
  const sent = request({
    agent,
    host: "127.0.0.1",
    port,
    method: "POST",
    path: "/v1/metrics",
    headers: { "content-type": "application/x-protobuf", "content-encoding": "gzip", "content-length": body.length },
  });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer); // a stream without an encoding gives buffers
  const text = Buffer.concat(chunks).toString();
  // A body would tell of refusals.
  if (response.statusCode !== 200 || text !== "") throw new Error(`${response.statusCode}: ${text}`);
}
