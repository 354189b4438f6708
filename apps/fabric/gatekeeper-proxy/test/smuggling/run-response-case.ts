import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import type { Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import type { ResponseCase } from "./case.ts";
import { plainAnswer } from "./raw-upstream.ts";
import type { Lane } from "./run-request-case.ts";

interface Told {
  readonly status: number | "broken";
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
}

/** Let the upstream answer with the bytes, ask something else behind it, and see what two clients are told. */
export async function runResponseCase({ port, upstream }: Lane, one: ResponseCase): Promise<readonly string[]> {
  upstream.reset((message, socket) => {
    if (message.startLine.includes(" /attack ")) void attack(socket, one);
    else socket.write(plainAnswer);
  });
  const told = await ask(port, one.method, "/attack");
  await pause(5); // what the upstream sends late finds an idle connection
  const next = await ask(port, "GET", "/canary");
  upstream.reset();
  const findings: string[] = [];
  if (told.status !== one.status) findings.push(`the client was told ${told.status}, not ${one.status}`);
  if (one.body !== undefined && told.body !== one.body) findings.push(`body ${JSON.stringify(told.body)}`);
  if (one.status !== 502 && told.body.includes("evil")) findings.push("bytes of another answer reached the client");
  for (const [name, value] of Object.entries(one.fields ?? {})) {
    const found = told.headers[name];
    const text = Array.isArray(found) ? found.join(", ") : (found ?? null);
    if (text !== value) findings.push(`${name}: ${JSON.stringify(text)}, not ${JSON.stringify(value)}`);
  }
  if (next.status !== 200 || next.body !== "ok")
    findings.push(`the next client was told ${next.status} ${JSON.stringify(next.body)}`);
  return findings;
}

async function attack(socket: Socket, { pieces, closes }: ResponseCase): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed) return;
    socket.write(piece, "latin1");
    if (pieces.length > 1) await pause(2);
  }
  if (closes === true) socket.end();
}

async function ask(port: number, method: string, path: string): Promise<Told> {
  const outgoing = request({ port, host: "127.0.0.1", method, path, agent: false, timeout: 20_000 });
  outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
  outgoing.end();
  try {
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    const status = answer.statusCode ?? 0;
    const { headers } = answer;
    try {
      return { status, headers, body: (await buffer(answer)).toString("latin1") };
    } catch {
      return { status: "broken", headers, body: "" };
    }
  } catch {
    return { status: "broken", headers: {}, body: "" };
  } finally {
    outgoing.destroy();
  }
}
