import { once } from "node:events";
import { connect as connectHttp2, type ClientHttp2Session, type SecureClientSessionOptions } from "node:http2";
import { connect as connectTcp } from "node:net";
import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { createTestCa } from "@drawbridge/testkit";
import { expect, onTestFinished, test } from "vitest";
import type { DataPlaneSettings } from "../src/worker/settings.ts";
import { startGateway } from "./support/policy-gateway.ts";
import { startServer } from "./support/start-server.ts";

/* Clients of HTTP/2 that take, or give, nothing: what `hardening.test.ts` has for HTTP/1.1. */

const wantsBody = { type: "json-threat-protection", configuration: {} };

async function stage(
  settings: Partial<DataPlaneSettings>,
  { policies = [], bodyBytes = 60_000 }: { policies?: Parameters<typeof startGateway>[1]; bodyBytes?: number } = {},
): Promise<{ port: number; connect: (options?: SecureClientSessionOptions) => ClientHttp2Session }> {
  const body = Buffer.alloc(bodyBytes);
  const upstream = await startServer((request, response) => request.resume().on("end", () => response.end(body)));
  onTestFinished(() => upstream[Symbol.asyncDispose]());
  const tls = await (await createTestCa()).issueService("gateway");
  const gateway = await startGateway(upstream, policies, { settings: { shedDelayMs: 60_000, ...settings }, tls });
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  const connect = (options?: SecureClientSessionOptions): ClientHttp2Session => {
    const session = connectHttp2(`https://127.0.0.1:${gateway.port}`, { rejectUnauthorized: false, ...options });
    session.on("error", () => undefined);
    onTestFinished(() => session.destroy());
    return session;
  };
  return { port: gateway.port, connect };
}

test("an answer that is complete and that the client does not take ends its stream, not the connection", async () => {
  const { connect } = await stage({ idleTimeoutMs: 500 });
  const session = connect({ settings: { initialWindowSize: 0 } });
  const stream = session.request({ ":path": "/" });
  stream.on("error", () => undefined);
  await once(stream, "response");
  await once(stream.pause(), "close");
  expect(stream.rstCode).not.toBe(0);
  expect(session.destroyed).toBe(false);
});

test("a connection that takes nothing at all is cut off, and its place is another client's", async () => {
  const { port, connect } = await stage({ idleTimeoutMs: 500, connections: 1 }, { bodyBytes: 400_000 });
  const tcp = connectTcp({ port, host: "127.0.0.1" }).on("error", () => undefined);
  onTestFinished(() => void tcp.destroy());
  const wire = new Duplex({ read: () => undefined, write: (bytes, _, done) => void tcp.write(bytes, () => done()) });
  tcp.on("data", (bytes) => wire.push(bytes));
  const secured = connectTls({ socket: wire, ALPNProtocols: ["h2"], rejectUnauthorized: false });
  const silent = connect({ createConnection: () => secured, settings: { initialWindowSize: 2 ** 24 } });
  await once(silent, "remoteSettings");
  silent.setLocalWindowSize(2 ** 30);
  const streams = Array.from({ length: 100 }, () => silent.request({ ":path": "/" }).on("error", () => undefined));
  await once(streams[0] ?? silent, "response");
  tcp.pause();
  const askAnother = async (): Promise<number> => {
    const stream = connect().request({ ":path": "/" });
    return (await text(stream).catch(() => "")).length;
  };
  await expect.poll(askAnother, { interval: 200 }).toBe(400_000);
});

test("a body that never ends, and that a policy waits for, is 408", async () => {
  const { connect } = await stage({ headersTimeoutMs: 500, requestTimeoutMs: 500 }, { policies: [wantsBody] });
  const session = connect();
  const headers = { ":method": "POST", ":path": "/", "content-type": "application/json" };
  const slow = session.request(headers).on("error", () => undefined);
  let problem = "";
  slow.on("data", (bytes) => (problem += String(bytes)));
  slow.write("{");
  const [answer] = (await once(slow, "response")) as [Record<string, unknown>];
  expect(answer[":status"]).toBe(408);
  await once(slow, "close");
  expect(JSON.parse(problem)).toMatchObject({ code: "REQUEST_TOO_SLOW" });
  const whole = session.request(headers);
  whole.end("{}");
  expect((await text(whole)).length).toBe(60_000);
});
