import { get, post, type RequestCase } from "./case.ts";

/** Clients that are slow, or leave. The suite's limits: head 1 s, whole request 2 s. */
export const clientCases: readonly RequestCase[] = [
  { name: "a head that never ends", pieces: ["GET /x HTTP/1.1\r\nHost: a.ex"], answers: [408] },
  { name: "a head of one byte", pieces: ["G"], answers: [408] },
  { name: "a field that never ends", pieces: ["GET /x HTTP/1.1\r\nX: ", "a"], answers: [408] },
  { name: "a body that never comes", pieces: [post(["Content-Length: 5"], "")], answers: [408] },
  { name: "a body that never ends", pieces: [post(["Content-Length: 5"], "he")], answers: [408] },
  { name: "chunks that never end", pieces: [post(["Transfer-Encoding: chunked"], "5\r\nhello\r\n")], answers: [408] },
  { name: "a chunk that never ends", pieces: [post(["Transfer-Encoding: chunked"], "5\r\nhe")], answers: [408] },
  {
    name: "a trailer that never ends",
    pieces: [post(["Transfer-Encoding: chunked"], "0\r\nX: y\r\n")],
    answers: [408],
  },
  { name: "gone in the head", pieces: ["GET /x HTTP/1.1\r\n"], answers: [], leaves: true },
  { name: "gone in a body of known length", pieces: [post(["Content-Length: 5"], "he")], answers: [], leaves: true },
  { name: "gone in a chunk", pieces: [post(["Transfer-Encoding: chunked"], "5\r\nhe")], answers: [], leaves: true },
  {
    name: "gone between chunks",
    pieces: [post(["Transfer-Encoding: chunked"], "5\r\nhello\r\n")],
    answers: [],
    leaves: true,
  },
  {
    name: "gone before the last line end",
    pieces: [post(["Transfer-Encoding: chunked"], "0\r\n\r")],
    answers: [],
    leaves: true,
  },
]
  .map(({ name, pieces, answers, leaves = false }): RequestCase => ({
    kind: "request",
    group: "client",
    name,
    pieces,
    answers,
    leaves,
    seen: [],
  }))
  .concat([
    {
      kind: "request",
      group: "client",
      name: "a head in single bytes",
      pieces: get("/slow").split(""),
      answers: [200],
      seen: [{ target: "/slow" }],
    },
    {
      kind: "request",
      group: "client",
      name: "a body in single bytes",
      pieces: [post(["Content-Length: 5"], ""), "h", "e", "l", "l", "o"],
      answers: [200],
      seen: [{ body: "hello" }],
    },
    {
      kind: "request",
      group: "client",
      name: "a body that waits for 100 Continue",
      pieces: [post(["Content-Length: 5", "Expect: 100-continue"], ""), "hello"],
      answers: [100, 200],
      seen: [{ body: "hello", fields: { expect: null } }],
    },
  ]);
