import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "node:tls";
import type { Http2Case } from "./case.ts";
import {
  dataFrame,
  frameType,
  headersFrame,
  preface,
  readFrames,
  settingsAck,
  settingsFrame,
  statusOf,
} from "./http2-frames.ts";
import { compare, type Lane } from "./run-request-case.ts";

/** Send the frames over TLS, and compare what the client is told with what the HTTP/1.1 upstream saw. */
export async function runHttp2Case({ port, upstream }: Lane, one: Http2Case): Promise<readonly string[]> {
  upstream.reset();
  const outcome = await talk(port, one);
  await pause(5);
  const findings: string[] = [];
  // A request that is refused may be answered or reset; what counts is that nothing of it was passed on.
  const isRefused = one.outcome === "reset" && (outcome === "reset" || outcome >= 400);
  if (!isRefused && outcome !== one.outcome) findings.push(`the client was told ${outcome}, not ${one.outcome}`);
  const seen = upstream.requests();
  if (seen.length !== one.seen.length) {
    findings.push(`the upstream saw ${seen.length} requests: ${seen.map((request) => request.startLine).join("; ")}`);
  }
  for (const [index, expected] of one.seen.entries()) findings.push(...compare(seen[index], expected));
  findings.push(...upstream.doubts().map((doubt) => `upstream: ${doubt}`));
  return findings;
}

async function talk(port: number, one: Http2Case): Promise<number | "reset"> {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  const over = Promise.withResolvers<number | "reset">();
  const deadline = AbortSignal.timeout(20_000);
  const onDeadline = (): void => void socket.destroy();
  deadline.addEventListener("abort", onDeadline, { once: true });
  socket.on("error", () => over.resolve("reset"));
  socket.on("close", () => over.resolve("reset"));
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (bytes: Buffer) => {
    const read = readFrames(Buffer.concat([rest, bytes]));
    rest = read.rest;
    for (const { type, flags, payload } of read.frames) {
      if (type === frameType.settings && (flags & 1) === 0) socket.write(settingsAck());
      if (type === frameType.headers) over.resolve(statusOf(payload));
      if (type === frameType.reset || type === frameType.goAway) over.resolve("reset");
    }
  });
  await once(socket, "secureConnect");
  const { body, trailers, fields } = one;
  socket.write(Buffer.concat([preface, settingsFrame(), headersFrame(1, fields, { isLast: body === undefined })]));
  if (body !== undefined) socket.write(dataFrame(1, body, { isLast: trailers === undefined }));
  if (trailers !== undefined) socket.write(headersFrame(1, trailers, { isLast: true }));
  const outcome = await over.promise;
  deadline.removeEventListener("abort", onDeadline);
  socket.destroy();
  return outcome;
}
