import { expect, test } from "vitest";
import type { ExchangeEnd } from "../../pipeline/exchange.ts";
import {
  aContract,
  anExchange,
  aResponse,
  createPolicy,
  createTestServices,
  problemsOf,
  type TestRequest,
} from "../../testing/harness.ts";
import { messageLogging } from "./message-logging.ts";
import { createRedaction, redactBody, redactForm } from "./redaction.ts";

const end: ExchangeEnd = {
  status: 200,
  origin: "upstream",
  isComplete: true,
  durationMs: 12.4,
  requestBytes: 3,
  responseBytes: 4,
};

interface Message {
  readonly request?: TestRequest;
  readonly responseHeaders?: Readonly<Record<string, string>>;
  readonly responseBody?: string;
  readonly isComplete?: boolean;
}

async function logged(configuration: Record<string, unknown>, message: Message = {}) {
  const services = createTestServices();
  const policy = await createPolicy(messageLogging, configuration, { services });
  const exchange = anExchange(message.request);
  exchange.client = aContract("shop");
  expect(await policy.onRequest(exchange)).toBeUndefined();
  services.clock.advance(7);
  const response = aResponse(200, message.responseHeaders);
  policy.onResponse?.(exchange, response);
  const tap = policy.tapResponse?.(exchange, response);
  tap?.chunk(Buffer.from(message.responseBody ?? ""));
  tap?.end(message.isComplete ?? true);
  policy.onEnd?.(exchange, end);
  expect(services.logged).toHaveLength(1);
  return services.logged[0]?.fields ?? {};
}

const secretRequest: TestRequest = {
  method: "POST",
  query: "page=1&access_token=hunter2",
  headers: {
    authorization: "Bearer hunter2",
    cookie: "sid=hunter2",
    client_id: "shop",
    client_secret: "hunter2",
    "X-Api-Key": "hunter2",
    "content-type": "application/json",
    accept: "text/html",
  },
  body: '{"user":"ann","password":"hunter2","nested":[{"refreshToken":"hunter2","n":1}]}',
};

test("logs metadata only, unless more is asked for", async () => {
  expect(await logged({}, { request: secretRequest, responseBody: "hunter2" })).toStrictEqual({
    requestId: "request-1",
    method: "POST",
    authority: "api.example.com",
    path: "/api/orders",
    clientAddress: "192.0.2.1",
    responseAfterMs: 7,
    status: 200,
    origin: "upstream",
    isComplete: true,
    durationMs: 12,
    requestBytes: 3,
    responseBytes: 4,
    clientId: "shop",
    clientName: "client shop",
  });
});

test("no secret is logged even if everything is asked for", async () => {
  const fields = await logged(
    {
      query: true,
      requestHeaders: Object.keys(secretRequest.headers ?? {}),
      responseHeaders: ["Set-Cookie", "content-type", "x-my-key"],
      requestBodyBytes: 1000,
      responseBodyBytes: 1000,
      redact: ["X-My-Key", "iban"],
    },
    {
      request: secretRequest,
      responseHeaders: { "set-cookie": "sid=hunter2", "content-type": "application/json", "x-my-key": "hunter2" },
      responseBody: '{"iban":"hunter2","session_id":"hunter2","total":3}',
    },
  );
  expect(JSON.stringify(fields)).not.toContain("hunter2");
  expect(fields).toMatchObject({
    query: "page=1&access_token=[redacted]",
    "requestHeader.authorization": "[redacted]",
    "requestHeader.accept": "text/html",
    "requestHeader.client_id": "shop",
    requestBody: '{"user":"ann","password":"[redacted]","nested":[{"refreshToken":"[redacted]","n":1}]}',
    "responseHeader.set-cookie": "[redacted]",
    responseBody: '{"iban":"[redacted]","session_id":"[redacted]","total":3}',
  });
});

test.each([
  "authorization",
  "Proxy-Authorization",
  "Cookie",
  "client_secret",
  "clientSecret",
  "X-Api-Key",
  "api_key",
  "PASSWORD",
  "new-password",
  "id_token",
  "X-Auth-Token",
  "sessionId",
  "X-Amz-Signature",
  "sig",
  "code",
  "client_assertion",
  "privateKey",
  "otp",
])("%s is a secret by its name", (name) => {
  expect(createRedaction([])(name)).toBe(true);
});

test.each(["accept", "client_id", "page", "postcode", "user", "pinned", "content-type", "signed"])(
  "%s is none",
  (name) => {
    expect(createRedaction([])(name)).toBe(false);
  },
);

test.each([
  ["a=1&token=x", "a=1&token=[redacted]"],
  ["%74oken=x", "%74oken=[redacted]"],
  ["access+token=x", "access+token=[redacted]"],
  ["token=a=b", "token=[redacted]"],
  ["%zz=1&token", "%zz=1&token"],
  ["", ""],
])("the query %s is logged as %s", (query, line) => {
  expect(redactForm(query, createRedaction([]))).toBe(line);
});

test.each([
  ["application/json", '{"a":', "[not logged: cannot be read]"],
  ["application/json", '{"__proto__":{"token":"x"}}', '{"__proto__":{"token":"[redacted]"}}'],
  ["application/x-www-form-urlencoded", "a=1&password=x", "a=1&password=[redacted]"],
  ["text/plain", "password=x", "[not logged: neither JSON nor a form]"],
  [undefined, "{}", "[not logged: neither JSON nor a form]"],
  ["multipart/form-data; boundary=x", "--x", "[not logged: neither JSON nor a form]"],
])("a body of %s, %s, is logged as %s", (contentType, body, line) => {
  expect(redactBody(Buffer.from(body), { contentType, isSecret: createRedaction([]) })).toBe(line);
});

test("a body that is too long, of unknown length or broken off is not logged, and none is refused for it", async () => {
  const limits = { requestBodyBytes: 5, responseBodyBytes: 5 };
  const json = { "content-type": "application/json" };
  const unread = () => Promise.reject(new Error("must not be read"));
  const long = { method: "POST", headers: json, contentLength: 6, loadBody: unread };
  expect((await logged(limits, { request: long }))["requestBody"]).toBeUndefined();
  expect((await logged(limits, { request: { ...long, contentLength: undefined } }))["requestBody"]).toBeUndefined();
  const loaded = await logged(limits, { request: { headers: json, body: "[1,2,3]" } });
  expect(loaded["requestBody"]).toBe("[not logged: too long]");
  const brokenOff = await logged(limits, { responseHeaders: json, responseBody: "[1]", isComplete: false });
  expect(brokenOff["responseBody"]).toBe("[not logged: too long or broken off]");
});

test("a short body that nobody read yet is waited for and kept for whoever comes next", async () => {
  const services = createTestServices();
  const policy = await createPolicy(messageLogging, { requestBodyBytes: 100 }, { services });
  const bytes = Buffer.from('{"a":1}');
  const exchange = anExchange({
    contentLength: bytes.length,
    headers: { "content-type": "application/json" },
    loadBody: () => Promise.resolve(bytes),
  });
  await policy.onRequest(exchange);
  expect(exchange.body).toBe(bytes);
  policy.onEnd?.(exchange, end);
  expect(services.logged[0]?.fields["requestBody"]).toBe('{"a":1}');
});

test("a value cannot begin another line, and has a bearable length", async () => {
  const fields = await logged(
    { requestHeaders: ["x-a"], query: true },
    { request: { headers: { "x-a": `a\r\nb\u2028c${"d".repeat(5000)}` }, query: "a=\n" } },
  );
  expect(fields["requestHeader.x-a"]).toMatch(/^a\ufffd\ufffdb\ufffdcd+\.\.\.$/);
  expect(String(fields["requestHeader.x-a"]).length).toBeLessThan(2100);
  expect(fields["query"]).toBe("a=\ufffd");
});

test("names who refused, and logs the sampled share only", async () => {
  const services = { ...createTestServices(), random: () => 0.3 };
  for (const [samplePercent, lines] of [
    [29, 0],
    [31, 1],
  ] as const) {
    const policy = await createPolicy(messageLogging, { samplePercent }, { services });
    const exchange = anExchange();
    await policy.onRequest(exchange);
    exchange.reply = {
      status: 429,
      headers: [],
      body: undefined,
      isViolation: true,
      policyId: "p",
      policyName: "limit",
      policyType: "t",
      reason: "rate_limited",
    };
    policy.onEnd?.(exchange, { ...end, status: 429, origin: "policy" });
    expect(services.logged).toHaveLength(lines);
  }
  expect(services.logged[0]?.fields).toMatchObject({
    replyPolicy: "limit",
    replyReason: "rate_limited",
    origin: "policy",
  });
});

test.each([
  [{ level: "trace" }, "level"],
  [{ requestHeaders: ["a b"] }, "requestHeaders.0: must be the name of a header"],
  [{ requestHeaders: "all" }, "requestHeaders"],
  [{ requestBodyBytes: 65_537 }, "requestBodyBytes"],
  [{ body: true }, ""],
])("the schema refuses %j and names the field", (configuration, problem) => {
  const problems = problemsOf(messageLogging, configuration);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});
