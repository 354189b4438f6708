import { get, message, passed, post, refused, type RequestCase } from "./case.ts";

const client = "127.0.0.1";

const dropped: readonly [string, readonly string[], Readonly<Record<string, string | null>>][] = [
  ["what Connection names", ["Connection: x-secret", "X-Secret: 1"], { "x-secret": null, connection: null }],
  ["what Connection names in another case", ["Connection: X-SECRET", "x-secret: 1"], { "x-secret": null }],
  ["what a second Connection names", ["Connection: close", "Connection: x-a", "X-A: 1"], { "x-a": null }],
  ["Connection: close, x-forwarded-for", ["Connection: close, x-forwarded-for"], { "x-forwarded-for": client }],
  ["Connection: x-forwarded-proto", ["Connection: x-forwarded-proto"], { "x-forwarded-proto": "http" }],
  ["Connection: x-request-id", ["Connection: x-request-id", "X-Request-Id: abc"], { "x-request-id": "abc" }],
  [
    "Connection: authorization",
    ["Connection: authorization", "Authorization: Bearer x"],
    { authorization: "Bearer x" },
  ],
  ["Connection: client_id", ["Connection: client_id", "client_id: x"], { client_id: "x" }],
  ["Connection: client_secret", ["Connection: client_secret", "client_secret: x"], { client_secret: "x" }],
  ["Connection: cookie", ["Connection: cookie", "Cookie: a=b"], { cookie: "a=b" }],
  ["Connection: host", ["Connection: host"], { host: "a.example" }],
  ["Connection: via", ["Connection: via", "Via: 1.1 x"], { via: "1.1 x, 1.1 drawbridge" }],
  ["Keep-Alive", ["Keep-Alive: timeout=5", "Connection: keep-alive"], { "keep-alive": null, connection: null }],
  ["Proxy-Connection", ["Proxy-Connection: keep-alive"], { "proxy-connection": null }],
  ["Proxy-Authorization", ["Proxy-Authorization: Basic eDp5"], { "proxy-authorization": null }],
  ["Proxy-Authenticate", ["Proxy-Authenticate: Basic"], { "proxy-authenticate": null }],
  ["TE", ["TE: trailers, gzip", "Connection: TE"], { te: null }],
  ["Trailer", ["Trailer: Content-Length"], { trailer: null }],
  ["Upgrade without Connection", ["Upgrade: websocket"], { upgrade: null }],
  [
    "Upgrade: h2c",
    ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"],
    { upgrade: null, "http2-settings": null },
  ],
  ["Upgrade: h2c among others", ["Connection: Upgrade", "Upgrade: websocket, h2c"], { upgrade: null }],
  ["Upgrade: H2C first", ["Connection: Upgrade", "Upgrade: H2C,websocket"], { upgrade: null }],
  ["two Upgrade, one h2c", ["Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"], { upgrade: null }],
  ["Upgrade: HTTP/1.1", ["Connection: Upgrade", "Upgrade: HTTP/1.1"], { upgrade: null }],
  ["Upgrade: TLS/1.0", ["Connection: Upgrade", "Upgrade: TLS/1.0"], { upgrade: null }],
  ["X-Forwarded-For of the client", ["X-Forwarded-For: 6.6.6.6"], { "x-forwarded-for": client }],
  ["two X-Forwarded-For", ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 7.7.7.7"], { "x-forwarded-for": client }],
  ["X-Forwarded-Host of the client", ["X-Forwarded-Host: evil.example"], { "x-forwarded-host": "a.example" }],
  ["X-Forwarded-Proto of the client", ["X-Forwarded-Proto: https"], { "x-forwarded-proto": "http" }],
  ["X-Forwarded-Port of the client", ["X-Forwarded-Port: 1"], { "x-forwarded-port": null }],
  ["X-Forwarded-User of the client", ["X-Forwarded-User: root"], { "x-forwarded-user": null }],
  ["Forwarded of the client", ["Forwarded: for=6.6.6.6"], { forwarded: null }],
  ["X-Gateway-Origin of the client", ["X-Gateway-Origin: gatekeeper"], { "x-gateway-origin": null }],
];

export const hopByHopCases: readonly RequestCase[] = [
  ...dropped.map(([name, fields, seen]) => passed("hop by hop", name, get("/x", ...fields), { fields: seen })),
  passed(
    "hop by hop",
    "Connection: content-length",
    post(["Connection: content-length", "Content-Length: 5"], "hello"),
    {
      body: "hello",
    },
  ),
  passed(
    "hop by hop",
    "Connection: transfer-encoding",
    post(["Connection: transfer-encoding", "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
    { body: "hello" },
  ),
  refused(
    "hop by hop",
    "an upgrade with a body",
    message(
      ["GET /x HTTP/1.1", "Host: a.example", "Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5"],
      "hello",
    ),
  ),
  refused(
    "hop by hop",
    "an upgrade that Connection does not name",
    message(["GET /x HTTP/1.1", "Host: a.example", "Connection: Upgrade\u0000", "Upgrade: websocket"]),
  ),
  {
    kind: "request",
    group: "hop by hop",
    name: "an upgrade that the upstream does not want, and a request behind it",
    pieces: [get("/x", "Connection: Upgrade", "Upgrade: websocket") + get("/smuggled")],
    answers: [200],
    seen: [{ target: "/x", fields: { upgrade: "websocket", connection: "upgrade" } }],
  },
];
