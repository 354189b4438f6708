import type { ResponseCase } from "./case.ts";

const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
const ok = (fields: readonly string[], body = ""): string =>
  `HTTP/1.1 200 OK\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n${body}`;
const chunked = (body: string): string => ok(["Transfer-Encoding: chunked"], body);

type Options = Partial<Omit<ResponseCase, "kind" | "group" | "name">>;

function one(group: string, name: string, text: string, options: Options = {}): ResponseCase {
  return { kind: "response", group, name, method: "GET", pieces: [text], status: 502, ...options };
}

const malformed: readonly [string, string][] = [
  ["CL.TE", ok(["Content-Length: 5", "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n")],
  ["TE.CL", ok(["Transfer-Encoding: chunked", "Content-Length: 5"], "5\r\nhello\r\n0\r\n\r\n")],
  ["two lengths", ok(["Content-Length: 5", "Content-Length: 4"], "hello")],
  ["a list of lengths", ok(["Content-Length: 5, 5"], "hello")],
  ["a negative length", ok(["Content-Length: -5"], "hello")],
  ["a length with plus", ok(["Content-Length: +5"], "hello")],
  ["a hexadecimal length", ok(["Content-Length: 0x5"], "hello")],
  ["an empty length", ok(["Content-Length:"], "hello")],
  ["a length beyond 2^53", ok(["Content-Length: 9007199254740993"], "hello")],
  ["xchunked", ok(["Transfer-Encoding: xchunked"], "5\r\nhello\r\n0\r\n\r\n")],
  ["gzip, chunked", ok(["Transfer-Encoding: gzip, chunked"], "5\r\nhello\r\n0\r\n\r\n")],
  ["identity", ok(["Transfer-Encoding: identity"], "hello")],
  ["chunked with a tab behind", ok(["Transfer-Encoding: chunked\t"], "0\r\n\r\n")],
  ["chunked with a blank behind", ok(["Transfer-Encoding: chunked "], "0\r\n\r\n")],
  ["two codings", ok(["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "0\r\n\r\n")],
  ["chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["no version", "200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a version in lower case", "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status beyond 599", "HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status below 100", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a negative status", "HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n"],
  ["no blank behind the status", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"],
  ["two blanks before the status", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a control byte in the reason", "HTTP/1.1 200 O\u0001K\r\nContent-Length: 0\r\n\r\n"],
  ["an empty line in front", `\r\n${ok(["Content-Length: 0"])}`],
  ["no HTTP at all", "hello\r\n\r\n"],
  ["bare LF everywhere", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"],
  ["a bare LF behind a field", "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\r\n\r\n"],
  ["a bare CR in a value", ok(["X: a\rb", "Content-Length: 0"])],
  ["NUL in a value", ok(["X: a\u0000b", "Content-Length: 0"])],
  ["DEL in a value", ok(["X: a\u007fb", "Content-Length: 0"])],
  ["a folded value", ok(["X: a", " b", "Content-Length: 0"])],
  ["a fold behind the status line", ok([" X: a", "Content-Length: 0"])],
  ["a blank before the colon", ok(["Content-Length : 5"], "hello")],
  ["no name", ok([": a", "Content-Length: 0"])],
  ["no colon", ok(["nonsense", "Content-Length: 0"])],
  ["a name with a blank", ok(["X y: a", "Content-Length: 0"])],
  ["a head of 33 KiB", ok([`X: ${"a".repeat(33_000)}`, "Content-Length: 0"])],
  ["257 fields", ok([...Array.from({ length: 257 }, (_, index) => `X-${index}: y`), "Content-Length: 0"])],
  ["204 with chunks", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"],
  ["101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nevil"],
  ["100 with a body", `HTTP/1.1 100 Continue\r\nContent-Length: 4\r\n\r\nevil${ok(["Content-Length: 0"])}`],
  ["17 interim answers", `${"HTTP/1.1 100 Continue\r\n\r\n".repeat(17)}${ok(["Content-Length: 0"])}`],
];

const broken: readonly [string, string][] = [
  ["a body shorter than its length", ok(["Content-Length: 9"], "hello")],
  ["no last chunk", chunked("5\r\nhello\r\n")],
  ["a chunk that breaks off", chunked("9\r\nhello")],
  ["a trailer that breaks off", chunked("5\r\nhello\r\n0\r\nX: y\r\n")],
  ["a last chunk without its end", chunked("5\r\nhello\r\n0\r\n")],
];

const badChunks: readonly [string, string][] = [
  ["size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"],
  ["no size", "\r\nhello\r\n0\r\n\r\n"],
  ["size with a blank behind", "5 \r\nhello\r\n0\r\n\r\n"],
  ["a bare LF behind the size", "5\nhello\r\n0\r\n\r\n"],
  ["an LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"],
  ["data longer than its size", "4\r\nhello\r\n0\r\n\r\n"],
  ["no line end behind the data", "5\r\nhello0\r\n\r\n"],
  ["a size of 20 digits", `${"F".repeat(20)}\r\nhello\r\n0\r\n\r\n`],
  ["an extension without a name", "5;\r\nhello\r\n0\r\n\r\n"],
  ["an extension without a value", "5;a=\r\nhello\r\n0\r\n\r\n"],
  ["a blank before an extension", "5; a\r\nhello\r\n0\r\n\r\n"],
  ["an extension that is no token", "5;a/b\r\nhello\r\n0\r\n\r\n"],
  ["a quoted extension", '5;a="b"\r\nhello\r\n0\r\n\r\n'],
  ["extensions without end", `5;${"a".repeat(20_000)}\r\nhello\r\n0\r\n\r\n`],
  ["a trailer without a colon", "5\r\nhello\r\n0\r\nnonsense\r\n\r\n"],
  ["a bare LF in the trailer", "5\r\nhello\r\n0\r\nX: y\n\r\n\r\n"],
  ["a trailer without end", `5\r\nhello\r\n0\r\nX: ${"a".repeat(20_000)}`],
];

export const responseCases: readonly ResponseCase[] = [
  ...malformed.map(([name, text]) => one("answer head", name, text)),
  one("answer head", "nothing", "", { closes: true }),
  one("answer head", "half a head", "HTTP/1.1 200 OK\r\nContent-", { closes: true }),
  ...broken.map(([name, text]) => one("answer body", name, text, { closes: true, status: "broken" })),
  ...badChunks.map(([name, text]) => one("answer chunk", name, chunked(text), { status: "broken" })),
  one("answer end", "another answer behind the body", ok(["Content-Length: 5"], `hello${evil}`), {
    status: 200,
    body: "hello",
  }),
  one("answer end", "another answer behind the last chunk", chunked(`5\r\nhello\r\n0\r\n\r\n${evil}`), {
    status: 200,
    body: "hello",
  }),
  one("answer end", "another answer behind 204", `HTTP/1.1 204 No Content\r\n\r\n${evil}`, { status: 204, body: "" }),
  one("answer end", "another answer behind 304", `HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n${evil}`, {
    status: 304,
    body: "",
  }),
  one("answer end", "another answer behind an empty body", ok(["Content-Length: 0"], evil), { status: 200, body: "" }),
  one("answer end", "another answer a moment later", "", {
    pieces: [ok(["Content-Length: 5"], "hello"), evil],
    status: 200,
    body: "hello",
  }),
  one("answer end", "a body of HEAD", ok(["Content-Length: 5"], "hello"), { method: "HEAD", status: 200, body: "" }),
  one("answer end", "chunks of HEAD", chunked("5\r\nhello\r\n0\r\n\r\n"), { method: "HEAD", status: 200, body: "" }),
  one("answer end", "a line end behind the body", ok(["Content-Length: 5"], "hello\r\n"), {
    status: 200,
    body: "hello",
  }),
  one("answer passes", "two equal lengths are one", ok(["Content-Length: 5", "Content-Length: 5"], "hello"), {
    status: 200,
    body: "hello",
    fields: { "content-length": "5" },
  }),
  one("answer passes", "a blank behind the length", ok(["Content-Length: 5 "], "hello"), {
    status: 200,
    body: "hello",
    fields: { "content-length": "5" },
  }),
  one("answer passes", "a body until the connection ends", "HTTP/1.1 200 OK\r\n\r\nhello", {
    closes: true,
    status: 200,
    body: "hello",
  }),
  one("answer passes", "HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhello", { closes: true, status: 200, body: "hello" }),
  one("answer passes", "chunk extensions are not passed on", chunked("5;x=y\r\nhello\r\n0;z\r\n\r\n"), {
    status: 200,
    body: "hello",
  }),
  one("answer passes", "in single bytes", "", {
    pieces: ok(["Content-Length: 5"], "hello").split(""),
    status: 200,
    body: "hello",
  }),
  one("answer passes", "chunks in single bytes", "", {
    pieces: chunked("5\r\nhello\r\n0\r\n\r\n").split(""),
    status: 200,
    body: "hello",
  }),
  one("answer passes", "behind 100 Continue", `HTTP/1.1 100 Continue\r\n\r\n${ok(["Content-Length: 5"], "hello")}`, {
    status: 200,
    body: "hello",
  }),
  one("answer passes", "what Connection names is dropped", ok(["Connection: x-a", "X-A: 1", "Content-Length: 0"]), {
    status: 200,
    fields: { "x-a": null },
  }),
  one(
    "answer passes",
    "fields of one hop are dropped",
    ok(["Keep-Alive: timeout=99", "Proxy-Connection: x", "Upgrade: h2c", "Trailer: x", "Content-Length: 0"]),
    {
      status: 200,
      fields: { "proxy-connection": null, upgrade: null, trailer: null },
    },
  ),
  one("answer passes", "only the gateway says X-Gateway", ok(["X-Gateway-Origin: gatekeeper", "Content-Length: 0"]), {
    status: 200,
    fields: { "x-gateway-origin": null },
  }),
  one("answer passes", "two cookies stay two", ok(["Set-Cookie: a=1", "Set-Cookie: b=2", "Content-Length: 0"]), {
    status: 200,
    fields: { "set-cookie": "a=1, b=2" },
  }),
  one("answer passes", "a trailer that frames is dropped", chunked("5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"), {
    status: 200,
    body: "hello",
    fields: { "content-length": null },
  }),
  one(
    "answer passes",
    "a value that looks like an answer",
    ok([`X: ${evil.split("\r\n")[0] ?? ""}`, "Content-Length: 0"]),
    { status: 200 },
  ),
];
