import { get, message, passed, refused, type RequestCase } from "./case.ts";

function hosts(): RequestCase[] {
  const one = (...hostFields: string[]): string => message(["GET /x HTTP/1.1", ...hostFields]);
  const wrong: readonly [string, string][] = [
    ["two", one("Host: a.example", "Host: b.example")],
    ["two that are equal", one("Host: a.example", "Host: a.example")],
    ["two in one field", one("Host: a.example, b.example")],
    ["none", one("X: y")],
    ["none in HTTP/1.0", message(["GET /x HTTP/1.0", "X: y"])],
    ["empty", one("Host:")],
    ["user information", one("Host: user@a.example")],
    ["user and password", one("Host: user:secret@a.example")],
    ["a blank inside", one("Host: a.example b.example")],
    ["a path", one("Host: a.example/path")],
    ["a query", one("Host: a.example?x")],
    ["a fragment", one("Host: a.example#x")],
    ["a backslash", one("Host: a.example\\x")],
    ["a port that is no number", one("Host: a.example:80x")],
    ["a port that is too long", one("Host: a.example:123456")],
    ["two ports", one("Host: a.example:80:80")],
    ["an open bracket", one("Host: [::1")],
    ["an escape", one("Host: a%2eexample")],
    ["an at sign alone", one("Host: @")],
    ["high bytes", one("Host: \u00e4.example")],
    ["folded", one("Host:", " a.example")],
    ["a blank before the colon", one("Host : a.example")],
    ["behind a bare LF", one("Host: a.example\nHost: b.example")],
    ["another authority in absolute form", message(["GET http://b.example/x HTTP/1.1", "Host: a.example"])],
    ["another port in absolute form", message(["GET http://a.example:81/x HTTP/1.1", "Host: a.example"])],
    ["user information in absolute form", message(["GET http://u@a.example/x HTTP/1.1", "Host: a.example"])],
    ["absolute form of another scheme", message(["GET https://a.example/x HTTP/1.1", "Host: a.example"])],
    ["absolute form of no scheme of ours", message(["GET ftp://a.example/x HTTP/1.1", "Host: a.example"])],
    ["absolute form without Host", message(["GET http://a.example/x HTTP/1.1", "X: y"])],
  ];
  return [
    ...wrong.map(([name, text]) => refused("host", name, text)),
    passed("host", "an IPv6 address", one("Host: [::1]:8080"), { fields: { host: "[::1]:8080" } }),
    passed(
      "host",
      "absolute form becomes origin form",
      message(["GET http://A.example/x?y HTTP/1.1", "Host: a.example"]),
      {
        target: "/x?y",
      },
    ),
    passed(
      "host",
      "absolute form with the usual port",
      message(["GET http://a.example:80 HTTP/1.1", "Host: a.example"]),
      {
        target: "/",
      },
    ),
  ];
}

function startLines(): RequestCase[] {
  const one = (line: string): string => message([line, "Host: a.example"]);
  const wrong: readonly [string, string][] = [
    ["CONNECT", one("CONNECT a.example:443 HTTP/1.1")],
    ["TRACE", one("TRACE /x HTTP/1.1")],
    ["a method in lower case", one("get /x HTTP/1.1")],
    ["an unknown method", one("FOO /x HTTP/1.1")],
    ["a blank before the method", one(" GET /x HTTP/1.1")],
    ["a tab for a blank", one("GET\t/x HTTP/1.1")],
    ["no version", one("GET /x")],
    ["no target", one("GET HTTP/1.1")],
    ["HTTP/1.2", one("GET /x HTTP/1.2")],
    ["HTTP/2.0", one("GET /x HTTP/2.0")],
    ["HTTP/0.9", one("GET /x HTTP/0.9")],
    ["HTTP/1", one("GET /x HTTP/1")],
    ["HTTP/1.10", one("GET /x HTTP/1.10")],
    ["a version in lower case", one("GET /x http/1.1")],
    ["something behind the version", one("GET /x HTTP/1.1 x")],
    ["a second request in the line", one("GET /x HTTP/1.1 GET /y HTTP/1.1")],
    ["a bare LF", "GET /x HTTP/1.1\nHost: a.example\n\n"],
    ["a bare CR", "GET /x HTTP/1.1\rHost: a.example\r\r"],
    ["a star", one("OPTIONS * HTTP/1.1")],
    ["a star of GET", one("GET * HTTP/1.1")],
    ["the authority form", one("GET a.example:80 HTTP/1.1")],
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["TLS on a plain port", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003"],
    ["NUL in the line", one("GET /x\u0000 HTTP/1.1")],
  ];
  return [
    ...wrong.map(([name, text]) => refused("start line", name, text)),
    passed("start line", "an empty line in front", `\r\n${get("/x")}`, { target: "/x" }),
    passed("start line", "HTTP/1.0", message(["GET /x HTTP/1.0", "Host: a.example"]), { target: "/x" }),
    ...["PUT", "PATCH", "PROPFIND", "REPORT"].map((method) =>
      passed("start line", method, message([`${method} /x HTTP/1.1`, "Host: a.example", "Content-Length: 1"], "1"), {
        method,
        body: "1",
      }),
    ),
  ];
}

function fields(): RequestCase[] {
  const wrong: readonly [string, string, number?][] = [
    ["NUL in a value", get("/x", "X: a\u0000b")],
    ["NUL in a name", get("/x", "X\u0000: a")],
    ["a bare CR in a value", get("/x", "X: a\rb")],
    ["a bare LF in a value", get("/x", "X: a\nY: b")],
    ["a folded value", get("/x", "X: a", " b")],
    ["a value folded with a tab", get("/x", "X: a", "\tb")],
    ["a blank before the colon", get("/x", "X : a")],
    ["a tab before the colon", get("/x", "X\t: a")],
    ["no name", get("/x", ": a")],
    ["no colon", get("/x", "nonsense")],
    ["parentheses in a name", get("/x", "X(y): a")],
    ["a name of high bytes", get("/x", "\u00e4: a")],
    ["a slash in a name", get("/x", "a/b: c")],
    ["a line of blanks", get("/x", "   ", "X: a")],
    ["DEL in a value", get("/x", "X: a\u007fb")],
    ["a vertical tab in a value", get("/x", "X: a\u000bb")],
    ["101 fields", get("/x", ...Array.from({ length: 100 }, (_, index) => `X-${index}: y`)), 431],
    ["a field of 17 KiB", get("/x", `X: ${"a".repeat(17_000)}`), 431],
    [
      "many fields of 17 KiB together",
      get("/x", ...Array.from({ length: 90 }, (_, index) => `X-${index}: ${"a".repeat(200)}`)),
      431,
    ],
    ["a name of 17 KiB", get("/x", `${"a".repeat(17_000)}: x`), 431],
    ["an expectation that nobody can meet", get("/x", "Expect: 200-ok")],
    ["two expectations", get("/x", "Expect: 100-continue, x")],
    ["authorization with an underscore", get("/x", "Authorization: a", "Authoriz_ation: b", "Transfer_Encoding: x")],
    ["X-Forwarded-For with underscores", get("/x", "X_Forwarded_For: 6.6.6.6")],
    ["X-Request-Id with underscores", get("/x", "X_Request_Id: 6")],
    ["client_id and client-id", get("/x", "client_id: a", "client-id: b")],
    ["client_secret and Client-Secret", get("/x", "client_secret: a", "Client-Secret: b")],
  ];
  return [
    ...wrong.map(([name, text, status]) => refused("field", name, text, status)),
    passed("field", "100 fields", get("/x", ...Array.from({ length: 99 }, (_, index) => `X-${index}: y`)), {
      fields: { "x-98": "y" },
    }),
    passed("field", "high bytes in a value stay as they are", get("/x", "X: \u00e4\u00ff"), {
      fields: { x: "\u00e4\u00ff" },
    }),
    passed("field", "client_id alone", get("/x", "client_id: a"), { fields: { client_id: "a" } }),
    passed("field", "an empty value", get("/x", "X:"), { fields: { x: "" } }),
    passed("field", "blanks around a value", get("/x", "X: \t a \t"), { fields: { x: "a" } }),
    passed("field", "a value that holds a request line", get("/x", "X: GET /smuggled HTTP/1.1"), {
      fields: { x: "GET /smuggled HTTP/1.1" },
    }),
    passed("field", "escapes of line ends stay escapes", get("/x", "X: a%0d%0aY: b"), {
      fields: { x: "a%0d%0aY: b", y: null },
    }),
  ];
}

export const headCases: readonly RequestCase[] = [...hosts(), ...startLines(), ...fields()];
