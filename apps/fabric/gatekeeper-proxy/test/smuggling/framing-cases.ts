import { chunked, get, message, passed, post, refused, type RequestCase } from "./case.ts";

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";
const zero = "0\r\n\r\n";
const te = "Transfer-Encoding: chunked";

function lengths(): RequestCase[] {
  const wrong: readonly [string, readonly string[]][] = [
    ["two equal lengths", ["Content-Length: 5", "Content-Length: 5"]],
    ["two lengths", ["Content-Length: 5", "Content-Length: 6"]],
    ["a list of equal lengths", ["Content-Length: 5, 5"]],
    ["a list of lengths", ["Content-Length: 5, 6"]],
    ["a length with plus", ["Content-Length: +5"]],
    ["a negative length", ["Content-Length: -5"]],
    ["a hexadecimal length", ["Content-Length: 0x5"]],
    ["a length with letters", ["Content-Length: 5a"]],
    ["a length with a fraction", ["Content-Length: 5.0"]],
    ["an empty length", ["Content-Length:"]],
    ["a length beyond 2^64", ["Content-Length: 18446744073709551621"]],
    ["a length beyond 2^53", ["Content-Length: 9007199254740993"]],
    ["a length with a space inside", ["Content-Length: 5 5"]],
    ["a length with a semicolon", ["Content-Length: 5;x"]],
    ["a quoted length", ['Content-Length: "5"']],
    ["a length behind a vertical tab", ["Content-Length: \u000b5"]],
    ["a folded length", ["Content-Length:", " 5"]],
    ["a length with an underscore in its name", ["Content_Length: 5"]],
    ["a length and one with an underscore", ["Content-Length: 5", "Content_Length: 0"]],
    ["a length before a blank and the colon", ["Content-Length : 5"]],
    ["a length with NUL", ["Content-Length: 5\u0000"]],
  ];
  return [
    ...wrong.map(([name, fields]) => refused("length", name, post(fields, "hello"))),
    passed("length", "a length between blanks", post(["Content-Length: \t 5 \t"], "hello"), { body: "hello" }),
    passed("length", "a length with zeros in front", post(["Content-Length: 0005"], "hello"), { body: "hello" }),
    passed("length", "a body that looks like a request", post([`Content-Length: ${smuggled.length}`], smuggled), {
      target: "/x",
      body: smuggled,
    }),
    passed(
      "length",
      "no length at all, and a request behind it",
      post([], smuggled),
      { body: "" },
      { target: "/smuggled" },
    ),
    {
      kind: "request",
      group: "length",
      name: "bytes behind the body that are no request",
      pieces: [post(["Content-Length: 5"], "helloworld")],
      answers: [200, 400],
      seen: [{ body: "hello" }],
    },
    ...["GET", "DELETE", "OPTIONS"].map((method) =>
      passed(
        "length",
        `a body of ${method}`,
        message([`${method} /x HTTP/1.1`, "Host: a.example", "Content-Length: 5"], "hello"),
        {
          method,
          body: "hello",
        },
      ),
    ),
    passed(
      "length",
      "two requests one behind the other",
      get("/one") + get("/two"),
      { target: "/one" },
      { target: "/two" },
    ),
    passed(
      "length",
      "ten requests one behind the other",
      Array.from({ length: 10 }, (_, index) => get(`/${index}`)).join(""),
      ...Array.from({ length: 10 }, (_, index) => ({ target: `/${index}` })),
    ),
  ];
}

function codings(): RequestCase[] {
  const wrong: readonly [string, readonly string[]][] = [
    ["CL.TE", ["Content-Length: 6", te]],
    ["TE.CL", [te, "Content-Length: 4"]],
    ["CL 0 and TE", ["Content-Length: 0", te]],
    ["xchunked", ["Transfer-Encoding: xchunked"]],
    ["chunked, identity", ["Transfer-Encoding: chunked, identity"]],
    ["identity", ["Transfer-Encoding: identity"]],
    ["identity and a length", ["Transfer-Encoding: identity", "Content-Length: 5"]],
    ["chunked twice in a list", ["Transfer-Encoding: chunked, chunked"]],
    ["gzip, chunked", ["Transfer-Encoding: gzip, chunked"]],
    ["chunked, gzip", ["Transfer-Encoding: chunked, gzip"]],
    ["a comma behind", ["Transfer-Encoding: chunked,"]],
    ["a comma in front", ["Transfer-Encoding: ,chunked"]],
    ["a parameter", ["Transfer-Encoding: chunked;q=1"]],
    ["in quotes", ['Transfer-Encoding: "chunked"']],
    ["cut off", ["Transfer-Encoding: chunk"]],
    ["a vertical tab", ["Transfer-Encoding: \u000bchunked"]],
    ["a form feed", ["Transfer-Encoding: \u000cchunked"]],
    ["NUL behind", ["Transfer-Encoding: chunked\u0000"]],
    ["DEL behind", ["Transfer-Encoding: chunked\u007f"]],
    ["empty", ["Transfer-Encoding:"]],
    ["two fields", [te, te]],
    ["two fields that differ", [te, "Transfer-Encoding: identity"]],
    ["two fields, the other first", ["Transfer-Encoding: identity", te]],
    ["a blank before the colon", ["Transfer-Encoding : chunked"]],
    ["a tab before the colon", ["Transfer-Encoding\t: chunked"]],
    ["folded", ["Transfer-Encoding:", " chunked"]],
    ["folded with a tab", ["Transfer-Encoding:", "\tchunked"]],
    ["a bare LF inside", ["Transfer-Encoding:\n chunked"]],
    ["a bare LF before the colon", ["Transfer-Encoding\n: chunked"]],
    ["behind a bare CR", ["X: y\rTransfer-Encoding: chunked"]],
    ["behind a bare LF and a length", ["Content-Length: 5", "X: y\nTransfer-Encoding: chunked"]],
    ["an underscore in its name", ["Transfer_Encoding: chunked"]],
    ["an underscore and a length", ["Content-Length: 5", "Transfer_Encoding: chunked"]],
    ["a field that begins with a blank", [" Transfer-Encoding: chunked"]],
    ["high bytes", ["Transfer-Encoding: ch\u00fcnked"]],
  ];
  const old = (...fields: string[]): string =>
    message(["POST /x HTTP/1.0", "Host: a.example", ...fields], `5\r\nhello\r\n${zero}`);
  return [
    ...wrong.map(([name, fields]) => refused("transfer-encoding", name, post(fields, `5\r\nhello\r\n${zero}`))),
    refused("transfer-encoding", "HTTP/1.0", old(te)),
    refused("transfer-encoding", "HTTP/1.0 and kept alive", old(te, "Connection: keep-alive")),
    refused("transfer-encoding", "HTTP/1.0 and a length", old(te, "Content-Length: 5")),
    passed("transfer-encoding", "upper case", post(["Transfer-Encoding: CHUNKED"], `5\r\nhello\r\n${zero}`), {
      body: "hello",
    }),
    refused("transfer-encoding", "blanks around", post(["Transfer-Encoding: \t chunked \t"], `5\r\nhello\r\n${zero}`)),
    passed(
      "transfer-encoding",
      "of DELETE",
      message(["DELETE /x HTTP/1.1", "Host: a.example", te], `5\r\nhello\r\n${zero}`),
      {
        method: "DELETE",
        body: "hello",
      },
    ),
    passed(
      "transfer-encoding",
      "of GET",
      message(["GET /x HTTP/1.1", "Host: a.example", te], `5\r\nhello\r\n${zero}`),
      {
        method: "GET",
        body: "hello",
      },
    ),
    passed(
      "transfer-encoding",
      "a request behind the last chunk",
      chunked(`5\r\nhello\r\n${zero}${smuggled}`),
      { body: "hello" },
      { target: "/smuggled" },
    ),
    passed(
      "transfer-encoding",
      "chunks that hold a request",
      chunked(`${smuggled.length.toString(16)}\r\n${smuggled}\r\n${zero}`),
      {
        body: smuggled,
      },
    ),
  ];
}

function chunks(): RequestCase[] {
  const wrong: readonly [string, string][] = [
    ["size with 0x", `0x5\r\nhello\r\n${zero}`],
    ["size with a blank in front", ` 5\r\nhello\r\n${zero}`],
    ["negative size", `-5\r\nhello\r\n${zero}`],
    ["size with plus", `+5\r\nhello\r\n${zero}`],
    ["no size", `\r\nhello\r\n${zero}`],
    ["a letter that is no digit", `g\r\nhello\r\n${zero}`],
    ["size with an underscore", `1_0\r\nhello\r\n${zero}`],
    ["size beyond 2^64", `10000000000000005\r\nhello\r\n${zero}`],
    ["size of many digits", `FFFFFFFFFFFFFFFFFFFFF\r\nhello\r\n${zero}`],
    ["a bare LF behind the size", `5\nhello\r\n${zero}`],
    ["a bare CR behind the size", `5\rhello\r\n${zero}`],
    ["NUL behind the size", `5\u0000\r\nhello\r\n${zero}`],
    ["an LF in an extension", `5;a\nb\r\nhello\r\n${zero}`],
    ["a CR in an extension", `5;a\rb\r\nhello\r\n${zero}`],
    ["a quoted LF in an extension", `5;a="\n"\r\nhello\r\n${zero}`],
    ["data longer than its size", `4\r\nhello\r\n${zero}`],
    ["no line end behind the data", `5\r\nhello${zero}`],
    ["a bare LF behind the data", `5\r\nhello\n${zero}`],
    ["a bare CR behind the data", `5\r\nhello\r${zero}`],
    ["bare LF at the end", "5\r\nhello\r\n0\n\n"],
    ["a field of the trailer without a colon", "5\r\nhello\r\n0\r\nnonsense\r\n\r\n"],
    ["a bare CR in the trailer", "5\r\nhello\r\n0\r\nX: a\rb\r\n\r\n"],
    ["a folded trailer", "5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n"],
    ["a trailer that frames", "5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n"],
    ["a blank before the colon in the trailer", "5\r\nhello\r\n0\r\nX : a\r\n\r\n"],
  ];
  return [
    // What is wrong in a body is found while it is forwarded: the upstream may have begun, and never sees an end.
    ...wrong.map(([name, body]): RequestCase => ({
      kind: "request",
      group: "chunk",
      name,
      pieces: [chunked(body)],
      answers: [],
      seen: [],
    })),
    passed("chunk", "an extension is not passed on", chunked(`5;name=value\r\nhello\r\n${zero}`), { body: "hello" }),
    passed("chunk", "an extension of the last chunk", chunked("5\r\nhello\r\n0;x\r\n\r\n"), { body: "hello" }),
    passed("chunk", "zeros before the size", chunked(`0005\r\nhello\r\n${zero}`), { body: "hello" }),
    passed("chunk", "upper case digits", chunked(`A\r\nhellohello\r\n${zero}`), { body: "hellohello" }),
    passed("chunk", "an empty body", chunked(zero), { body: "" }),
    passed("chunk", "chunks of one byte", chunked(`1\r\na\r\n1\r\nb\r\n1\r\nc\r\n${zero}`), { body: "abc" }),
    passed("chunk", "a trailer that routes", chunked("5\r\nhello\r\n0\r\nHost: b.example\r\n\r\n"), {
      body: "hello",
      fields: { host: "a.example" },
    }),
    passed("chunk", "a trailer that identifies", chunked("5\r\nhello\r\n0\r\nAuthorization: Basic eDp5\r\n\r\n"), {
      body: "hello",
      fields: { authorization: null },
    }),
    {
      kind: "request",
      group: "chunk",
      name: "extensions without end",
      pieces: [chunked(`5;${"a".repeat(20_000)}\r\nhello\r\n${zero}`)],
      answers: [],
      seen: [],
    },
    {
      kind: "request",
      group: "chunk",
      name: "a chunk in many segments",
      pieces: [chunked("5"), "\r", "\nhe", "llo\r\n", "0\r\n", "\r\n"],
      answers: [200],
      seen: [{ body: "hello" }],
    },
  ];
}

export const framingCases: readonly RequestCase[] = [...lengths(), ...codings(), ...chunks()];
