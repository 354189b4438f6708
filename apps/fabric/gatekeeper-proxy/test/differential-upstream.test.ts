import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Http1Connection } from "../src/worker/upstream/http1-connection.ts";
import type { OpenConnection } from "../src/worker/upstream/pooled-connection.ts";
import { UndiciConnection } from "../src/worker/upstream/undici-connection.ts";
import {
  readByConnection,
  readByUndici,
  startAnswerServer,
  type AnswerServer,
  type ReadAnswer,
} from "./smuggling/read-answer.ts";
import { responseCases } from "./smuggling/response-cases.ts";

/* Two readers of the same bytes: what our client lets pass, undici must read in the same way. */

const own: OpenConnection = (...parameters) => new Http1Connection(...parameters);
const undici: OpenConnection = (...parameters) => new UndiciConnection(...parameters);

/** What undici refuses and our client accepts, one by one. Each of them can be read in one way only. */
const exceptions: readonly { readonly name: string; readonly applies: (head: string, rest: string) => boolean }[] = [
  {
    name: "a length said twice is a length (RFC 9112 6.3)",
    applies: (head) => (head.match(/^content-length:/gim) ?? []).length > 1,
  },
  {
    name: "a blank behind a length is no part of it (RFC 9110 5.5)",
    applies: (head) => /^content-length:[ \t]*\d+[ \t]+$/im.test(head),
  },
  { name: "a 100 Continue that was not asked for is passed over", applies: (head) => /^HTTP\/1\.[01] 100 /.test(head) },
  {
    name: "a trailer called Content-Length frames nothing and is dropped",
    applies: (_head, rest) => /^content-length:/im.test(rest),
  },
];

let server: AnswerServer;
beforeAll(async () => {
  server = await startAnswerServer();
});
afterAll(() => server[Symbol.asyncDispose]());

async function compare(answer: string, method: string): Promise<{ ours: ReadAnswer; finding: string }> {
  server.answer = answer;
  const ours = await readByConnection(own, server.port, method);
  if (ours.read === "refused") return { ours, finding: "" };
  for (const theirs of [await readByUndici(server.port, method), await readByConnection(undici, server.port, method)]) {
    if (JSON.stringify(theirs) === JSON.stringify(ours)) continue;
    const headEnd = answer.indexOf("\r\n\r\n");
    const [head, rest] = [answer.slice(0, headEnd), answer.slice(headEnd)];
    if (theirs.read === "refused" && exceptions.some(({ applies }) => applies(head, rest))) continue;
    return { ours, finding: `undici: ${JSON.stringify(theirs)}, ours: ${JSON.stringify(ours)}` };
  }
  return { ours, finding: "" };
}

const cases = responseCases.map(({ group, name, pieces, method, status }) => ({
  name: `${group}: ${name}`,
  bytes: pieces.join(""),
  method,
  passes: status !== 502 && status !== "broken",
}));
const textsThat = (passes: boolean): string[] =>
  cases.flatMap((one) => (one.method === "GET" && one.passes === passes ? [one.bytes] : []));

test.each(cases)("both clients read the same, or ours reads nothing: $name", async ({ bytes, method }) => {
  expect((await compare(bytes, method)).finding).toBe("");
});

test.each(exceptions)("undici still refuses this, and ours does not: $name", async ({ applies }) => {
  let needed = 0;
  for (const { bytes, method } of cases) {
    const headEnd = bytes.indexOf("\r\n\r\n");
    if (!applies(bytes.slice(0, headEnd), bytes.slice(headEnd))) continue;
    server.answer = bytes;
    const ours = await readByConnection(own, server.port, method);
    if (ours.read === "message" && (await readByUndici(server.port, method)).read === "refused") needed += 1;
  }
  expect(needed).toBeGreaterThan(0);
});

/** What answers are made of, and what parsers disagree about. */
const tokens = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "0",
  "5",
  "\u000b",
  "\u0085",
  "\u00ff",
  "Transfer-Encoding: chunked\r\n",
  "transfer-encoding:chunked\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Connection: close\r\n",
  "Connection: keep-alive\r\n",
  "X: y\r\n",
  " folded\r\n",
  "HTTP/1.0",
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
  "HTTP/1.1 200 OK\r\n",
  "HTTP/1.1 204 No Content\r\n\r\n",
  "0\r\n\r\n",
];

const edit = fc.record({
  kind: fc.constantFrom("insert", "remove", "double", "replace"),
  place: fc.integer({ min: 0, max: 9_999 }),
  length: fc.integer({ min: 1, max: 8 }),
  token: fc.constantFrom(...tokens),
});
const mutated = fc
  .record({
    // What passes, changed a little, is nearer to what passes and should not.
    text: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...textsThat(true)) },
      { weight: 1, arbitrary: fc.constantFrom(...textsThat(false)) },
    ),
    edits: fc.array(edit, { minLength: 1, maxLength: 3 }),
  })
  .map(({ text, edits }) =>
    edits.reduce((bytes, { kind, place, length, token }) => {
      const at = place % (bytes.length + 1);
      switch (kind) {
        case "insert":
          return bytes.slice(0, at) + token + bytes.slice(at);
        case "remove":
          return bytes.slice(0, at) + bytes.slice(at + length);
        case "double":
          return bytes.slice(0, at + length) + bytes.slice(at);
        case "replace":
          return bytes.slice(0, at) + token + bytes.slice(at + length);
      }
    }, text),
  );

test("both clients read the same in whatever becomes of an answer, or ours reads nothing", async () => {
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(mutated, async (bytes) => {
      const { ours, finding } = await compare(bytes, "GET");
      if (ours.read === "message") accepted += 1;
      expect(finding).toBe("");
    }),
    { numRuns: 1_000 },
  );
  expect(accepted).toBeGreaterThan(0);
});
