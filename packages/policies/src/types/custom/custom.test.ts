import { createHash, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { FlattenedSign } from "jose";
import { expect, test } from "vitest";
import type { ModuleRunner, RunningModule } from "../../policy-services.ts";
import {
  aContract,
  anExchange,
  aResponse,
  createPolicy,
  createTestContext,
  createTestServices,
  problemsOf,
  verdictOf,
} from "../../testing/harness.ts";
import { custom } from "./custom.ts";
import { findSignatureProblem, moduleSignatureType } from "./module-signature.ts";

const source = Buffer.from("export function onRequest() { return undefined; }");
const digest = createHash("sha256").update(source).digest("hex");
const ed25519 = generateKeyPairSync("ed25519");
const es256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });

function pemOf(key: KeyObject): string {
  return createPublicKey(key).export({ format: "pem", type: "spki" });
}

async function signatureOf(
  bytes: Uint8Array,
  key: KeyObject = ed25519.privateKey,
  header: Record<string, unknown> = {},
): Promise<string> {
  const alg = key.asymmetricKeyType === "ec" ? "ES256" : key.asymmetricKeyType === "rsa" ? "PS256" : "EdDSA";
  const jws = await new FlattenedSign(bytes).setProtectedHeader({ alg, typ: moduleSignatureType, ...header }).sign(key);
  return `${jws.protected}..${jws.signature}`;
}

const trustedKeys = [pemOf(rsa.privateKey), pemOf(ed25519.privateKey), pemOf(es256.privateKey)];

test.each<[string, () => Promise<string>, string | undefined]>([
  ["Ed25519", () => signatureOf(source), undefined],
  ["ES256", () => signatureOf(source, es256.privateKey), undefined],
  ["RSA, by a trusted key", () => signatureOf(source, rsa.privateKey), "malformed"],
  ["a key that nobody trusts", () => signatureOf(source, generateKeyPairSync("ed25519").privateKey), "untrusted"],
  ["the key, of another module", () => signatureOf(Buffer.from("other")), "untrusted"],
  ["the key, of the module without its last byte", () => signatureOf(source.subarray(0, -1)), "untrusted"],
  ["the key, of another type", () => signatureOf(source, undefined, { typ: "JWT" }), "malformed"],
  ["the key, with the payload in it", async () => (await signatureOf(source)).replace("..", ".AAAA."), "malformed"],
  [
    "nobody (none)",
    async () =>
      `${Buffer.from('{"alg":"none","typ":"drawbridge-module+jws"}').toString("base64url")}..${"A".repeat(86)}`,
    "malformed",
  ],
  ["nothing", () => Promise.resolve(""), "malformed"],
])("a signature by %s", async (_what, signature, problem) => {
  expect(await findSignatureProblem(await signature(), { module: source, trustedKeys })).toBe(problem);
});

test("a critical extension makes a signature malformed", async () => {
  const header = Buffer.from(JSON.stringify({ alg: "EdDSA", typ: moduleSignatureType, crit: ["x"], x: 1 })).toString(
    "base64url",
  );
  const signature = sign(null, Buffer.from(`${header}.${source.toString("base64url")}`), ed25519.privateKey).toString(
    "base64url",
  );
  expect(await findSignatureProblem(`${header}..${signature}`, { module: source, trustedKeys })).toBe("malformed");
});

test("where no key is trusted no module is", async () => {
  expect(await findSignatureProblem(await signatureOf(source), { module: source, trustedKeys: [] })).toBe("untrusted");
});

type Call = RunningModule["call"];

/** A policy whose module answers what `call` does, and what was asked of it. */
async function aPolicy(call: Call, overrides: Record<string, unknown> = {}) {
  const calls: Parameters<Call>[] = [];
  const state = { isClosed: false };
  const startModule: ModuleRunner = async () => ({
    call: (...ask) => {
      calls.push(ask);
      return call(...ask);
    },
    close: () => (state.isClosed = true),
  });
  const services = createTestServices({ startModule, trustedModuleKeys: trustedKeys });
  const context = createTestContext({ assets: new Map([[digest, source]]) });
  const configuration = { module: digest, signature: await signatureOf(source), ...overrides };
  return { policy: await createPolicy(custom, configuration, { context, services }), services, calls, state };
}

test("a module sees the headers that the policy names, and nothing that it does not", async () => {
  const { policy, calls } = await aPolicy(() => Promise.resolve(undefined), {
    requestHeaders: ["X-Tenant"],
    configuration: { limit: 3 },
    timeoutMs: 20,
  });
  const exchange = anExchange({ query: "a=1", headers: { "x-tenant": "acme", authorization: "Bearer hunter2" } });
  exchange.client = aContract("shop");
  exchange.principal = { sub: "hunter2" };
  expect(verdictOf(await policy.onRequest(exchange))).toBe("pass");
  expect(calls).toHaveLength(1);
  expect(calls[0]).toMatchObject([
    "onRequest",
    [{ method: "GET", path: "/api/orders", headers: [["x-tenant", "acme"]], claims: null }, { limit: 3 }],
    20,
  ]);
  expect(JSON.stringify(calls)).not.toContain("hunter2");
});

test("a verdict changes headers of the request and of the response", async () => {
  const verdict = {
    setHeaders: { "X-Plan": "gold" },
    removeHeaders: ["X-Debug"],
    setResponseHeaders: { "X-Checked": "yes" },
  };
  const { policy } = await aPolicy(() => Promise.resolve(verdict));
  const exchange = anExchange({ headers: { "x-plan": "free", x_plan: "free", "x-debug": "1", accept: "*/*" } });
  expect(verdictOf(await policy.onRequest(exchange))).toBe("pass");
  expect(exchange.rawHeaders).toStrictEqual(["accept", "*/*", "X-Plan", "gold"]);
  const response = aResponse(200, { "x-checked": "no" });
  policy.onResponse?.(exchange, response);
  expect(response.rawHeaders).toStrictEqual(["X-Checked", "yes"]);
});

test("a module refuses with a status and a title of its own", async () => {
  const { policy } = await aPolicy(() => Promise.resolve({ refuse: { status: 451, title: "Not here" } }));
  const reply = await policy.onRequest(anExchange());
  expect(verdictOf(reply)).toBe("451 module_refused");
  expect(reply?.body).toContain("Not here");
});

test.each<[string, unknown]>([
  ["a text", "allow"],
  ["true", true],
  ["an unknown member", { allow: true }],
  ["a success as refusal", { refuse: { status: 200, title: "ok" } }],
  ["a refusal without a title", { refuse: { status: 403 } }],
  ["a header about the frame", { setHeaders: { "Transfer-Encoding": "chunked" } }],
  ["a header about the way", { setHeaders: { X_Forwarded_For: "::1" } }],
  ["a header that ends its line", { setHeaders: { "x-a": "a\r\nx-b: c" } }],
  ["a name that is none", { setHeaders: { "x a": "b" } }],
  ["a removal of the host", { removeHeaders: ["Host"] }],
  ["a response header about the frame", { setResponseHeaders: { "content-length": "0" } }],
  ["a value that is no text", { setHeaders: { "x-a": 1 } }],
])("fails closed on a verdict that is not understood: %s", async (_what, verdict) => {
  const { policy, services } = await aPolicy(() => Promise.resolve(verdict));
  const exchange = anExchange({ headers: { accept: "*/*" } });
  expect(verdictOf(await policy.onRequest(exchange))).toBe("500 module_failed");
  expect(exchange.rawHeaders).toStrictEqual(["accept", "*/*"]);
  expect(services.alarms.map(({ code }) => code)).toStrictEqual(["MODULE_FAILED"]);
});

test("fails closed when the module throws, breaks its time limit or its worker dies", async () => {
  const { policy } = await aPolicy(() => Promise.reject(new Error("the module took longer than 50 ms")));
  expect(verdictOf(await policy.onRequest(anExchange()))).toBe("500 module_failed");
});

test("requests reach the module one at a time; what is too much is answered 503", async () => {
  const open: (() => void)[] = [];
  const { policy, calls } = await aPolicy(() => new Promise((resolve) => open.push(() => resolve(undefined))), {
    waiting: 1,
  });
  const [first, second, third] = [1, 2, 3].map(async () => verdictOf(await policy.onRequest(anExchange())));
  expect(await third).toBe("503 module_busy");
  expect(calls).toHaveLength(1);
  open[0]?.();
  expect(await first).toBe("pass");
  await expect.poll(() => open.length).toBe(2);
  open[1]?.();
  expect(await second).toBe("pass");
});

test("the module is closed with its policy", async () => {
  const { policy, state } = await aPolicy(() => Promise.resolve(undefined));
  policy.close?.();
  expect(state.isClosed).toBe(true);
});

test.each<
  [
    string,
    {
      assets?: ReadonlyMap<string, Uint8Array>;
      signature?: string;
      startModule?: ModuleRunner;
      trustedModuleKeys?: readonly string[];
    },
    string,
  ]
>([
  ["the asset is missing", { assets: new Map() }, "is not among the assets"],
  ["the asset has another digest", { assets: new Map([[digest, Buffer.from("other")]]) }, "is not the SHA-256"],
  ["the signature is by nobody trusted", { trustedModuleKeys: [] }, "is by no key that this gateway trusts"],
  ["the signature is none", { signature: "a..b" }, "is no signature of a module"],
  ["the module cannot be loaded", { startModule: () => Promise.reject(new SyntaxError("x")) }, "cannot be loaded"],
])(
  "nothing of a module runs, and the API is not usable, when %s",
  async (_what, { assets, signature, ...overrides }, message) => {
    let starts = 0;
    const startModule: ModuleRunner = (options) => {
      starts += 1;
      return overrides.startModule?.(options) ?? Promise.reject(new Error("must not be started"));
    };
    const services = createTestServices({ trustedModuleKeys: trustedKeys, ...overrides, startModule });
    const context = createTestContext({ assets: assets ?? new Map([[digest, source]]) });
    const configuration = { module: digest, signature: signature ?? (await signatureOf(source)) };
    await expect(createPolicy(custom, configuration, { context, services })).rejects.toThrow(message);
    expect(starts).toBe(overrides.startModule ? 1 : 0);
  },
);

test.each([
  [{ module: "abc" }, "module: must be a SHA-256"],
  [{ signature: "a.b.c" }, "signature: must be a JWS without its payload"],
  [{ timeoutMs: 1001 }, "timeoutMs"],
  [{ memoryLimitMb: 4 }, "memoryLimitMb"],
  [{ requestHeaders: ["a b"] }, "requestHeaders.0: must be the name of a header"],
  [{ configuration: [] }, "configuration"],
])("the schema refuses %j and names the field", (overrides, problem) => {
  const problems = problemsOf(custom, { module: digest, signature: "a..b", ...overrides });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});
