import { gzipSync } from "node:zlib";
import { BodyForm, CapturedExchange } from "@drawbridge/contracts/insight/v1/insight_batch";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { CaptureOrder } from "../capture-order.ts";
import type { CopiedBody, CopiedExchange } from "../insight-protocol.ts";
import { maskExchange } from "./mask-exchange.ts";
import { createMaskRules } from "./mask-rules.ts";

const order: CaptureOrder = {
  captureId: "c1",
  startsAtMs: 0,
  expiresAtMs: 1,
  share: 1,
  methods: [],
  templates: [],
  statusClasses: [],
  clientApplications: [],
  parts: ["query", "requestHeaders", "requestBody", "responseHeaders", "responseBody"],
  reveal: [],
  redact: [],
  perSecond: 1,
  most: 1,
};
const nothing: CopiedBody = { bytes: undefined, sizeBytes: 0, state: "whole" };

function bodyOf(content: string | Uint8Array): CopiedBody {
  const bytes = new Uint8Array(Buffer.from(content));
  return { bytes, sizeBytes: bytes.length, state: "whole" };
}

function anExchange(change: Partial<CopiedExchange>): CopiedExchange {
  return {
    type: "exchange",
    orders: [order],
    heldBytes: 0,
    api: { apiId: "a", name: "orders", version: "1", environment: "production" },
    app: "shop",
    replica: "r",
    clientApplication: "",
    receivedAtMs: 1,
    method: "POST",
    pathTemplate: "/orders/{}",
    status: 200,
    disposition: 1,
    violatedPolicy: "",
    latencyUs: 1,
    upstreamUs: 1,
    query: "",
    requestHeaders: [],
    responseHeaders: [],
    requestBody: nothing,
    responseBody: nothing,
    ...change,
  };
}

function told(
  change: Partial<CopiedExchange>,
  { reveal = [], redact = [] }: { readonly reveal?: readonly string[]; readonly redact?: readonly string[] } = {},
): CapturedExchange {
  return maskExchange(anExchange(change), order, { rules: createMaskRules(reveal, redact), exchangeId: "e1" });
}

const jsonHead = ["Content-Type", "application/json; charset=utf-8"];

function toldJson(value: unknown, rules: Parameters<typeof told>[1] = {}): unknown {
  const { requestBody } = told({ requestHeaders: jsonHead, requestBody: bodyOf(JSON.stringify(value)) }, rules);
  expect(requestBody?.form).toBe(BodyForm.BODY_FORM_JSON);
  return JSON.parse(requestBody?.json ?? "");
}

const purchase = {
  order: {
    id: "A-17",
    note: "call Ada",
    items: [
      { sku: "S1", price: 12.5 },
      { sku: "S2", price: 3 },
    ],
    isPaid: true,
  },
  customer: { name: "Ada", email: "ada@example.com", card: { number: "4111", holder: "Ada" } },
  coupon: null,
};

test("without an order to reveal, every leaf is its type and length (META 4)", () => {
  const item = { sku: "string(2)", price: "number" };
  expect(toldJson(purchase)).toEqual({
    order: { id: "string(4)", note: "string(8)", items: [item, item], isPaid: "boolean" },
    customer: { name: "string(3)", email: "string(15)", card: { number: "string(4)", holder: "string(3)" } },
    coupon: "null",
  });
});

test("a path reveals the leaves at exactly that path", () => {
  expect(toldJson(purchase, { reveal: ["$.order.items[*].sku", "$.order", "$.customer.*", "$.order.isPaid"] })).toEqual(
    {
      order: {
        id: "string(4)",
        note: "string(8)",
        items: [
          { sku: "S1", price: "number" },
          { sku: "S2", price: "number" },
        ],
        isPaid: true,
      },
      customer: { name: "Ada", email: "ada@example.com", card: { number: "string(4)", holder: "string(3)" } },
      coupon: "null",
    },
  );
});

test("redacted beats revealed, by path with all below it and by name wherever it stands", () => {
  const reveal = ["$.customer.name", "$.customer.email", "$.order.items[*].sku"];
  expect(toldJson(purchase, { reveal, redact: ["$.order.items.sku", "E_MAIL"] })).toMatchObject({
    order: { items: [{ sku: "redacted" }, { sku: "redacted" }] },
    customer: { name: "Ada", email: "redacted" },
  });
  expect(toldJson(purchase, { reveal, redact: ["$.Customer"] })).toMatchObject({ customer: "redacted" });
  expect(toldJson(purchase, { reveal, redact: ["$"] })).toBe("redacted");
});

test("a rule to redact that cannot be read redacts everything", () => {
  expect(toldJson(purchase, { reveal: ["$.coupon"], redact: ["$["] })).toBe("redacted");
});

test.each([
  ["$.card.number", { card: { number: "1" } }],
  ["$.user.newPassword", { user: { newPassword: "x" } }],
  ["$.tokens[*]", { tokens: ["x"] }],
  ["$.*.iban", { a: { iban: "x" } }],
])("%s is masked whatever is asked for", (path, value) => {
  expect(JSON.stringify(toldJson(value, { reveal: [path] }))).toMatch(/string\(1\)/);
});

test.each([
  "4111 1111 1111 1111",
  "card 4111111111111111!",
  "4111 1111 1111 1111 12/26",
  "4111111111111111 123",
  "1 4111111111111111",
  "2024-05-01 4111111111111111",
  "4111.1111.1111.1111",
  "4111/1111/1111/1111",
  "4111\u20111111\u20111111\u20111111",
  "4111\u00a01111\u00a01111\u00a01111",
  "４１１１１１１１１１１１１１１１",
  "378282246310005",
  `${"7".repeat(500)}4111111111111111`,
  "eyJhbGciOiJub25lIn0.e30.",
  "-----BEGIN PRIVATE KEY-----",
])("a value like %j is masked where it is revealed", (value) => {
  expect(toldJson({ note: value }, { reveal: ["$.note"] })).toEqual({ note: `string(${value.length})` });
});

test.each(["2024-05-01 12:34:56", "+49 30 1234567", "1234567890123", "4111 1111, 1111 1111"])(
  "%j is no number of a card and told where it is revealed",
  (value) => {
    expect(toldJson({ note: value }, { reveal: ["$.note"] })).toEqual({ note: value });
  },
);

test("a number like that of a payment card is masked too", () => {
  expect(toldJson({ note: 4111111111111111, count: 12 }, { reveal: ["$.note", "$.count"] })).toEqual({
    note: "number",
    count: 12,
  });
});

test("a key that looks like a value is masked like one, unless a path names it", () => {
  const value = { "ada@example.com": 1, "4915112345678": 2, "0f8fad5b-d9cb-469f": 3, "a b": 4, line_1: 5 };
  expect(Object.keys(toldJson(value) as object).toSorted()).toEqual(
    ["name(13)", "name(15)", "name(18)", "name(3)", "line_1"].toSorted(),
  );
  expect(toldJson({ "a b": 4 }, { reveal: ['$["a b"]'] })).toEqual({ "a b": 4 });
});

test("headers: names stay, values are masked, revealed by name, credentials never", () => {
  const requestHeaders = [
    "Host",
    "shop.example",
    "X-Request-Kind",
    "bulk",
    "Authorization",
    "Bearer x",
    "Cookie",
    "a=b",
  ];
  const rules = { reveal: ["header.X-Request-Kind", "header.authorization", "header.cookie"] };
  expect(told({ requestHeaders }, rules).requestHeaders).toEqual([
    { name: "host", value: "string(12)", isRevealed: false },
    { name: "x-request-kind", value: "bulk", isRevealed: true },
    { name: "authorization", value: "string(8)", isRevealed: false },
    { name: "cookie", value: "string(3)", isRevealed: false },
  ]);
});

test("query and form: names stay, values are masked, revealed and redacted by name", () => {
  const pairs = "page=2&q=ada%20lovelace&api_key=k&ada%40example.com=1";
  const rules = { reveal: ["query.page", "query.api_key", "$.page", "$.q"], redact: ["q"] };
  const exchange = told(
    { query: pairs, requestHeaders: ["content-type", "application/x-www-form-urlencoded"], requestBody: bodyOf(pairs) },
    rules,
  );
  const expected = [
    { name: "page", value: "2", isRevealed: true },
    { name: "q", value: "redacted", isRevealed: false },
    { name: "api_key", value: "string(1)", isRevealed: false },
    { name: "name(15)", value: "string(1)", isRevealed: false },
  ];
  expect(exchange.query).toEqual(expected);
  expect(exchange.requestBody).toMatchObject({ form: BodyForm.BODY_FORM_FIELDS, fields: expected });
});

test("an element of a query or form without a name is a value, told by its length unless a path names it", () => {
  const pairs = "hGkLmPqRsTuVwXyZab&debug&aGVsbG8gd29ybGQhISEh&q=&dG9rZW5Ub2tlblRvaw==&token&note&x=1";
  const rules = { reveal: ["query.debug", "query.token", "$.debug", "$.*", "$.token", "$.note"], redact: ["note"] };
  const exchange = told(
    { query: pairs, requestHeaders: ["content-type", "application/x-www-form-urlencoded"], requestBody: bodyOf(pairs) },
    rules,
  );
  const hidden = (length: number, value = "string(0)") => ({ name: `name(${length})`, value, isRevealed: false });
  const expected = [
    hidden(18),
    { name: "debug", value: "", isRevealed: true },
    hidden(20),
    { name: "q", value: "string(0)", isRevealed: false },
    hidden(18),
    hidden(5),
    hidden(4, "redacted"),
  ];
  expect(exchange.query.slice(0, 7)).toEqual(expected);
  const fields = exchange.requestBody?.fields ?? [];
  expect(fields.slice(0, 7)).toEqual(expected.with(3, { name: "q", value: "", isRevealed: true }));
  const alone = told({ query: "secret", requestHeaders: ["content-type", "application/x-www-form-urlencoded"] });
  expect(alone.query).toEqual([hidden(6)]);
});

const packed = gzipSync(JSON.stringify({ sku: "S1" }));
test.each<[string, readonly string[], CopiedBody, BodyForm, string]>([
  [
    "of gzip",
    [...jsonHead, "content-encoding", "gzip"],
    bodyOf(packed),
    BodyForm.BODY_FORM_JSON,
    '{"sku":"string(2)"}',
  ],
  [
    "that says gzip and is not",
    [...jsonHead, "content-encoding", "gzip"],
    bodyOf("{}"),
    BodyForm.BODY_FORM_MALFORMED,
    "",
  ],
  [
    "in an encoding that is not known",
    [...jsonHead, "content-encoding", "zz"],
    bodyOf("{}"),
    BodyForm.BODY_FORM_MALFORMED,
    "",
  ],
  [
    "that unpacks to more than the limit",
    [...jsonHead, "content-encoding", "gzip"],
    bodyOf(gzipSync(JSON.stringify("a".repeat(70_000)))),
    BodyForm.BODY_FORM_TOO_LARGE,
    "",
  ],
  ["that is no JSON", jsonHead, bodyOf("canary"), BodyForm.BODY_FORM_MALFORMED, ""],
  ["that is no UTF-8", jsonHead, bodyOf(new Uint8Array([0x22, 0xff, 0x22])), BodyForm.BODY_FORM_MALFORMED, ""],
  ["of another type", ["content-type", "text/plain"], bodyOf("canary"), BodyForm.BODY_FORM_OTHER, ""],
  [
    "that was too large",
    jsonHead,
    { bytes: undefined, sizeBytes: 99_999, state: "too_large" },
    BodyForm.BODY_FORM_TOO_LARGE,
    "",
  ],
  ["that was broken off", jsonHead, { ...bodyOf("{}"), state: "incomplete" }, BodyForm.BODY_FORM_INCOMPLETE, ""],
  ["that is none", jsonHead, nothing, BodyForm.BODY_FORM_EMPTY, ""],
])("a body %s is told as far as it can be", (_, responseHeaders, responseBody, form, json) => {
  const { responseBody: body } = told({ responseHeaders, responseBody });
  expect(body).toMatchObject({ form, json, bytes: BigInt(responseBody.sizeBytes) });
});

test("a media type that is not known is not told", () => {
  const { requestBody } = told({ requestHeaders: ["content-type", "application/canary"], requestBody: bodyOf("x") });
  expect(requestBody).toMatchObject({ mediaType: "other", form: BodyForm.BODY_FORM_OTHER });
});

test("a long or deep body is told in bounds", () => {
  const long = toldJson(Array.from({ length: 70 }, () => 1)) as readonly unknown[];
  expect(long).toHaveLength(51);
  expect(long[50]).toBe("20 more");
  let deep: unknown = "canary";
  for (let depth = 0; depth < 20_000; depth += 1) deep = [deep];
  let text = "";
  for (let depth = 0; depth < 20_000; depth += 1) text += "[";
  const body = bodyOf(`${text}"canary"${"]".repeat(20_000)}`);
  const { requestBody } = told({ requestHeaders: jsonHead, requestBody: body }, { reveal: ["$[*]"] });
  expect(requestBody?.json).toMatch(/^\[{32}"array"\]{32}$/);
});

/** Texts that occur nowhere else: in every leaf of any JSON. */
const leaf = fc
  .tuple(fc.constantFrom("canary-", "c4n4ry ", "cänary/"), fc.string({ maxLength: 6 }))
  .map(([mark, rest]) => mark + rest);
const shape = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("order", "items", "user", "name", "card", "a-b"), tie("value"), { maxKeys: 4 }),
  ),
})).value;

const marks = /canary-|c4n4ry|cänary/;

test("no value of a path that is not revealed is ever in what is told (META 4)", () => {
  const path = fc.constantFrom(
    "$.order.name",
    "$.items[*]",
    "$.user.*",
    "$.card.name",
    "$.order",
    "header.x-kind",
    "query.kind",
  );
  fc.assert(
    fc.property(shape, leaf, fc.array(path, { maxLength: 3 }), (value, text, reveal) => {
      const pairs = new URLSearchParams({ kind: text, user: text }).toString();
      const heads = ["x-kind", text, "x-other", text, ...jsonHead];
      const exchange = {
        query: pairs,
        requestHeaders: heads,
        responseHeaders: heads,
        requestBody: bodyOf(JSON.stringify(value)),
        responseBody: bodyOf(JSON.stringify(value)),
      };
      const wire = Buffer.from(CapturedExchange.encode(told(exchange)).finish()).toString();
      expect(wire).not.toMatch(marks);
      // Everything that is revealed is redacted again: the same.
      const hidden = told(exchange, { reveal, redact: reveal });
      expect(Buffer.from(CapturedExchange.encode(hidden).finish()).toString()).not.toMatch(marks);
      // What is revealed is at one of the paths, and nothing else is.
      const some = told(exchange, { reveal });
      for (const told of some.requestBody?.revealed ?? []) {
        expect(reveal.some((each) => each === told || (each === "$.user.*" && told.startsWith("$.user.")))).toBe(true);
        expect(told).not.toContain("card");
      }
      if ((some.requestBody?.revealed ?? []).length === 0) expect(some.requestBody?.json).not.toMatch(marks);
    }),
    { numRuns: 300 },
  );
});
