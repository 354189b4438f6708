import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { RequestCase, SeenRequest } from "./case.ts";
import { readMessage, type ReadMessage } from "./message-reader.ts";
import type { RawUpstream } from "./raw-upstream.ts";

export interface Lane {
  readonly port: number;
  readonly upstream: RawUpstream;
}

/** To end a hang, not to judge speed. */
const longestMs = 20_000;

/** Send the bytes, ask something harmless, and compare what both sides saw. Findings: empty if all is well. */
export async function runRequestCase(lane: Lane, one: RequestCase): Promise<readonly string[]> {
  lane.upstream.reset();
  const client = await exchangeBytes(lane.port, one);
  const findings: string[] = [];
  const statuses = client.answers.map(statusOf);
  const isMalformedInBody = one.answers.length === 0 && one.leaves !== true;
  if (isMalformedInBody) {
    if (statuses.some((status) => status < 400)) findings.push(`answered ${statuses.join(", ")}`);
  } else if (statuses.join() !== one.answers.join()) {
    findings.push(`answered ${statuses.join(", ") || "nothing"}, not ${one.answers.join(", ") || "nothing"}`);
  }
  for (const answer of client.answers) findings.push(...answer.doubts, ...problemFindings(answer));
  if (client.rest !== "") findings.push(`bytes behind the last answer: ${JSON.stringify(client.rest.slice(0, 80))}`);

  const canary = await exchangeBytes(lane.port, {
    pieces: ["GET /canary HTTP/1.1\r\nHost: a.example\r\n\r\n"],
    answers: [200],
    leaves: false,
  });
  if (canary.answers.map(statusOf).join() !== "200") findings.push("the next request was not answered with 200");

  const seen = lane.upstream.requests().filter((request) => !request.startLine.includes(" /canary "));
  if (seen.length !== one.seen.length) {
    findings.push(
      `the upstream saw ${seen.length} requests, not ${one.seen.length}: ${seen.map((request) => request.startLine).join("; ")}`,
    );
  }
  for (const [index, expected] of one.seen.entries()) findings.push(...compare(seen[index], expected));
  findings.push(...lane.upstream.doubts().map((doubt) => `upstream: ${doubt}`));
  if (lane.upstream.bytesSeen().includes("/smuggled HTTP/1.1\r\n") && !isExpected(one, "/smuggled")) {
    findings.push("the upstream saw a smuggled request line");
  }
  return findings;
}

function isExpected(one: RequestCase, target: string): boolean {
  return one.seen.some(
    (request) =>
      request.target === target ||
      request.body?.includes(target) === true ||
      Object.values(request.fields ?? {}).some((value) => value?.includes(target)),
  );
}

export function compare(request: ReadMessage | undefined, expected: SeenRequest): string[] {
  if (request === undefined) return [];
  const findings: string[] = [];
  const [method = "", target = ""] = request.startLine.split(" ");
  if (expected.method !== undefined && method !== expected.method) findings.push(`method ${method}`);
  if (expected.target !== undefined && target !== expected.target) findings.push(`target ${target}`);
  if (expected.body !== undefined && request.body !== expected.body)
    findings.push(`body ${JSON.stringify(request.body)}`);
  for (const [name, value] of Object.entries(expected.fields ?? {})) {
    const values = request.fields.flatMap(([field, found]) => (field === name ? [found] : []));
    const found = values.length === 0 ? null : values.join(", ");
    if (found !== value) findings.push(`${name}: ${JSON.stringify(found)}, not ${JSON.stringify(value)}`);
  }
  return findings;
}

export const statusOf = ({ startLine }: ReadMessage): number => Number(startLine.split(" ")[1]);

/** What the gateway itself says is a problem document, and the connection ends with it. */
function problemFindings(answer: ReadMessage): string[] {
  const status = statusOf(answer);
  if (status < 400) return [];
  const type = answer.fields.find(([name]) => name === "content-type")?.[1];
  const isClosed = answer.fields.some(([name, value]) => name === "connection" && value === "close");
  return [
    ...(type === "application/problem+json" ? [] : [`a problem of type ${type}`]),
    ...(isClosed ? [] : ["the connection stays open behind a problem"]),
  ];
}

export interface Talk {
  readonly answers: readonly ReadMessage[];
  readonly rest: string;
  readonly hasEnded: boolean;
}

/** Until as many answers as expected came, the gateway closes the connection, the client leaves, or it takes too long. */
export async function exchangeBytes(
  port: number,
  one: Pick<RequestCase, "pieces" | "answers" | "leaves">,
): Promise<Talk> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.on("error", () => socket.destroy());
  const deadline = AbortSignal.timeout(longestMs);
  const onDeadline = (): void => void socket.destroy();
  deadline.addEventListener("abort", onDeadline, { once: true });
  let text = "";
  let hasEnded = false;
  const over = Promise.withResolvers<void>();
  const isEnough = (): boolean =>
    one.answers.length > 0 && readAll(text).answers.length >= one.answers.length && (one.answers.at(-1) ?? 0) < 400;
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
    if (isEnough()) over.resolve();
  });
  socket.on("close", () => {
    hasEnded = true;
    over.resolve();
  });
  await once(socket, "connect").catch(() => undefined); // seen as no answer
  for (const piece of one.pieces) {
    if (socket.destroyed) break;
    await write(socket, piece);
    if (one.pieces.length > 1) await pause(1);
  }
  if (one.leaves === true) {
    await pause(20);
    socket.destroy();
  }
  await over.promise;
  await pause(5); // what else comes
  socket.destroy();
  deadline.removeEventListener("abort", onDeadline);
  return { ...readAll(text), hasEnded };
}

function write(socket: Socket, text: string): Promise<void> {
  return new Promise((resolve) => {
    socket.write(text, "latin1", () => resolve());
  });
}

function readAll(text: string): { answers: ReadMessage[]; rest: string } {
  const answers: ReadMessage[] = [];
  let rest = text;
  for (;;) {
    const result = readMessage(rest, (startLine) => /^HTTP\/1\.1 (?:1\d\d|204|304) /.test(startLine));
    if (result.state !== "complete") return { answers, rest };
    answers.push(result.message);
    rest = result.rest;
  }
}
