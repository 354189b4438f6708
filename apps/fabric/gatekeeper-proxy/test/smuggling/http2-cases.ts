import type { Http2Case, SeenRequest } from "./case.ts";

type Field = readonly [string, string];

const pseudo: readonly Field[] = [
  [":method", "POST"],
  [":scheme", "https"],
  [":path", "/x"],
  [":authority", "a.example"],
];

function change(name: string, value: string): readonly Field[] {
  return pseudo.map((field) => (field[0] === name ? [name, value] : field));
}

function one(
  name: string,
  fields: readonly Field[],
  outcome: Http2Case["outcome"],
  options: Partial<Http2Case> = {},
): Http2Case {
  return { kind: "http2", group: "http2", name, fields, outcome, seen: [], ...options };
}

function passes(
  name: string,
  fields: readonly Field[],
  seen: SeenRequest,
  options: Partial<Http2Case> = {},
): Http2Case {
  return one(name, fields, 200, { seen: [seen], ...options });
}

/** The HTTP/2 library leaves such a field out; the request goes on without it. */
const dropped: readonly [string, readonly Field[]][] = [
  ["a line end in a value", [...pseudo, ["x", "a\r\nY: b"]]],
  ["a request in a value", [...pseudo, ["x", "a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"]]],
  ["an LF in a value", [...pseudo, ["x", "a\nY: b"]]],
  ["a CR in a value", [...pseudo, ["x", "a\rb"]]],
  ["NUL in a value", [...pseudo, ["x", "a\u0000b"]]],
  ["a line end in a name", [...pseudo, ["x: a\r\ny", "b"]]],
  ["a colon in a name", [...pseudo, ["x: a", "b"]]],
  ["a blank in a name", [...pseudo, ["x y", "b"]]],
  ["an empty name", [...pseudo, ["", "b"]]],
];

const bad: readonly [string, readonly Field[]][] = [
  ["a name in upper case", [...pseudo, ["X", "b"]]],
  ["transfer-encoding", [...pseudo, ["transfer-encoding", "chunked"]]],
  ["connection", [...pseudo, ["connection", "close"]]],
  ["keep-alive", [...pseudo, ["keep-alive", "timeout=5"]]],
  ["proxy-connection", [...pseudo, ["proxy-connection", "close"]]],
  ["upgrade", [...pseudo, ["upgrade", "websocket"]]],
  ["te that is not trailers", [...pseudo, ["te", "gzip"]]],
  ["a line end in the path", change(":path", "/x HTTP/1.1\r\nX: y")],
  ["a blank in the path", change(":path", "/x y")],
  ["a fragment in the path", change(":path", "/x#y")],
  ["an encoded slash in the path", change(":path", "/a%2fb")],
  ["a path above the root", change(":path", "/../x")],
  ["a path without a slash", change(":path", "x")],
  ["an empty path", change(":path", "")],
  ["a star", change(":path", "*")],
  ["a line end in the method", change(":method", "GET / HTTP/1.1\r\nX: y\r\n")],
  ["a request line for a method", change(":method", "GET /smuggled HTTP/1.1")],
  ["TRACE", change(":method", "TRACE")],
  ["user information in the authority", change(":authority", "user@a.example")],
  ["a path in the authority", change(":authority", "a.example/x")],
  ["a line end in the authority", change(":authority", "a.example\r\nX: y")],
  ["an empty authority", change(":authority", "")],
  ["no authority", pseudo.filter(([name]) => name !== ":authority")],
  ["no path", pseudo.filter(([name]) => name !== ":path")],
  ["no method", pseudo.filter(([name]) => name !== ":method")],
  ["two paths", [...pseudo, [":path", "/y"]]],
  ["two authorities", [...pseudo, [":authority", "b.example"]]],
  ["a pseudo field behind others", [...pseudo.slice(0, 3), ["x", "y"], [":authority", "a.example"]]],
  ["a pseudo field that does not exist", [...pseudo, [":evil", "y"]]],
  ["a host that is not the authority", [...pseudo, ["host", "b.example"]]],
  ["two lengths", [...pseudo, ["content-length", "5"], ["content-length", "6"]]],
  ["a list of lengths", [...pseudo, ["content-length", "5, 5"]]],
  ["a negative length", [...pseudo, ["content-length", "-5"]]],
  ["a length with plus", [...pseudo, ["content-length", "+5"]]],
  ["a length with an underscore", [...pseudo, ["content_length", "0"]]],
  ["an expectation", [...pseudo, ["expect", "x"]]],
];

export const http2Cases: readonly Http2Case[] = [
  ...dropped.map(([name, fields]) =>
    passes(name, fields, { body: "hello", target: "/x", fields: { x: null, y: null, "": null } }, { body: "hello" }),
  ),
  ...bad.map(([name, fields]) => one(name, fields, "reset", { body: "hello" })),
  one("a body longer than its length", [...pseudo, ["content-length", "4"]], "reset", { body: "hello" }),
  one("a body shorter than its length", [...pseudo, ["content-length", "9"]], "reset", { body: "hello" }),
  one("no body where a length is told", [...pseudo, ["content-length", "9"]], "reset"),
  passes(
    "a body of known length",
    [...pseudo, ["content-length", "5"]],
    { body: "hello", fields: { "transfer-encoding": null } },
    { body: "hello" },
  ),
  passes(
    "a body of unknown length is chunked",
    pseudo,
    { body: "hello", fields: { "content-length": null } },
    { body: "hello" },
  ),
  passes(
    "a body that looks like a request",
    pseudo,
    { body: "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" },
    {
      body: "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    },
  ),
  passes("no body", change(":method", "GET"), { method: "GET", body: "" }),
  passes("cookies in pieces are one", [...pseudo, ["cookie", "a=1"], ["cookie", "b=2"]], {
    fields: { cookie: "a=1; b=2" },
  }),
  passes("a host that is the authority", [...pseudo, ["host", "a.example"]], { fields: { host: "a.example" } }),
  passes("te: trailers", [...pseudo, ["te", "trailers"]], { fields: { te: null } }),
  passes("X-Forwarded-For of the client", [...pseudo, ["x-forwarded-for", "6.6.6.6"]], {
    fields: { "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https" },
  }),
  passes("the path is normalised", change(":path", "/a//%2e%2e/b?c"), { target: "/b?c" }),
  one("trailers that frame", pseudo, "reset", { body: "hello", trailers: [["content-length", "99"]] }),
  passes(
    "trailers that identify are dropped",
    pseudo,
    { body: "hello", fields: { authorization: null } },
    {
      body: "hello",
      trailers: [["authorization", "Basic eDp5"]],
    },
  ),
];
