import { createHash, generateKeyPairSync, scryptSync, sign } from "node:crypto";
import type { RequestListener } from "node:http";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { createTokenIssuer } from "./support/token-issuer.ts";
import { startGateway } from "./support/policy-gateway.ts";
import { startServer } from "./support/start-server.ts";

const hello: RequestListener = (_, response) => response.end("hello");
const { publicJwk, aToken } = createTokenIssuer();

test("tokens are judged by keys that are fetched once, and what they say reaches the upstream", async () => {
  await using issuer = await startServer((_, response) => {
    response.end(JSON.stringify({ keys: [publicJwk] }));
  });
  await using upstream = await startServer(hello);
  await using gateway = await startGateway(upstream, [
    {
      type: "jwt-validation",
      configuration: {
        issuers: ["me"],
        audiences: ["orders"],
        algorithms: ["ES256"],
        keys: { source: "jwks", url: `http://127.0.0.1:${issuer.port}/keys`, allowLoopbackHttp: true },
        claimHeaders: [{ claim: "sub", header: "X-User" }],
        forwardToken: false,
      },
    },
  ]);
  const claims = { iss: "me", aud: "orders", sub: "ann", exp: Date.now() / 1000 + 600 };
  const bearer = (token: string) => ({
    headers: { authorization: `Bearer ${token}`, "x-user": "root", x_user: "root" },
  });

  const good = await Promise.all(Array.from({ length: 20 }, () => gateway.ask(bearer(aToken(claims)))));
  expect(good.map(({ status }) => status)).toStrictEqual(good.map(() => 200));
  expect(issuer.requests).toHaveLength(1);
  expect(upstream.requests[0]?.headers["x-user"]).toBe("ann");
  expect(upstream.requests[0]?.headers["x_user"]).toBeUndefined();
  expect(upstream.requests[0]?.headers.authorization).toBeUndefined();

  const reached = upstream.requests.length;
  const forged = aToken({ ...claims, sub: "root" }, generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
  expect((await gateway.ask()).reason).toBe("TOKEN_MISSING");
  expect((await gateway.ask(bearer(forged))).reason).toBe("TOKEN_INVALID");
  expect((await gateway.ask(bearer(aToken({ ...claims, exp: 1 })))).reason).toBe("TOKEN_EXPIRED");
  expect(upstream.requests).toHaveLength(reached);
});

test("the authorisation server is asked about a token once; when it breaks, nothing passes", async () => {
  let isBroken = false;
  await using issuer = await startServer((incoming, response) => {
    if (isBroken) return void incoming.destroy();
    void buffer(incoming).then((form) => response.end(JSON.stringify({ active: form.includes("token=good") })));
  });
  await using upstream = await startServer(hello);
  await using gateway = await startGateway(upstream, [
    {
      type: "oauth2-introspection",
      configuration: {
        endpoint: `http://127.0.0.1:${issuer.port}/`,
        allowLoopbackHttp: true,
        clientId: "gateway",
        clientSecret: "secret",
      },
    },
  ]);
  const ask = (token: string) => gateway.ask({ headers: { authorization: `Bearer ${token}` } });
  expect((await ask("good")).status).toBe(200);
  expect((await ask("bad")).reason).toBe("TOKEN_INVALID");
  expect((await ask("good")).status).toBe(200);
  expect(issuer.requests).toHaveLength(2);
  isBroken = true;
  expect((await ask("unseen")).reason).toBe("TOKEN_CHECK_UNAVAILABLE");
  expect((await ask("good")).status).toBe(200);
});

/** Of Age, which a response from the application does not have. */
const seconds: unknown = expect.stringMatching(/^\d+$/);

test("a kept response is given to GET and HEAD, as 304 to who has it, and forgotten after a write", async () => {
  let version = 0;
  await using upstream = await startServer((incoming, response) => {
    if (incoming.method === "GET") version += 1;
    response.writeHead(200, { "cache-control": "max-age=60", etag: `"${version}"` }).end(`version ${version}`);
  });
  await using gateway = await startGateway(upstream, [{ type: "http-caching", configuration: {} }]);
  expect((await gateway.ask()).body).toBe("version 1");
  const kept = await gateway.ask();
  expect(kept).toMatchObject({ status: 200, body: "version 1", headers: { age: seconds, "content-length": "9" } });
  expect(await gateway.ask({ method: "HEAD" })).toMatchObject({
    status: 200,
    body: "",
    headers: { "content-length": "9" },
  });
  const known = await gateway.ask({ headers: { "if-none-match": '"1"' } });
  expect(known).toMatchObject({ status: 304, body: "", headers: { etag: '"1"' } });
  expect(known.headers["content-length"]).toBeUndefined();
  expect((await gateway.ask({ headers: { authorization: "Basic eA==" } })).body).toBe("version 2");
  expect((await gateway.ask()).body).toBe("version 1");
  await gateway.ask({ method: "PUT", body: "x" });
  expect((await gateway.ask()).body).toBe("version 3");
});

test("a cached response is given only to those whom every policy lets pass, whatever its order", async () => {
  await using upstream = await startServer((_, response) => {
    response.writeHead(200, { "cache-control": "public, max-age=60" }).end("secret");
  });
  const users = [{ username: "ann", passwordHash: passwordHash("correct horse") }];
  await using gateway = await startGateway(upstream, [
    { type: "http-caching", configuration: { credentialedRequests: "shared" } },
    { type: "basic-authentication", configuration: { users } },
  ]);
  const ann = { headers: { authorization: `Basic ${Buffer.from("ann:correct horse").toString("base64")}` } };
  expect((await gateway.ask(ann)).body).toBe("secret");
  expect((await gateway.ask(ann)).headers["age"]).toEqual(seconds);
  expect((await gateway.ask()).reason).toBe("PASSWORD_REQUIRED");
  expect((await gateway.ask({ headers: { authorization: "Basic YW5uOng=" } })).reason).toBe("PASSWORD_WRONG");
  expect(upstream.requests).toHaveLength(1);
});

test("bodies are looked at before they go upstream, and go there unchanged", async () => {
  const bodies: string[] = [];
  await using upstream = await startServer((incoming, response) => {
    void buffer(incoming).then((body) => {
      bodies.push(body.toString());
      response.end();
    });
  });
  await using gateway = await startGateway(upstream, [
    { type: "json-threat-protection", configuration: { depth: 3, maximumBytes: 1000 } },
  ]);
  const post = (body: string, headers: Record<string, string> = {}) =>
    gateway.ask({ method: "POST", body, headers: { "content-type": "application/json", ...headers } });
  const good = '{"a" : [1,\n 2]}';
  expect((await post(good)).status).toBe(200);
  expect((await post(good, { "transfer-encoding": "chunked" })).status).toBe(200);
  expect((await post("[[[[1]]]]")).reason).toBe("JSON_LIMIT_EXCEEDED");
  expect((await post("[1,]", { "transfer-encoding": "chunked" })).reason).toBe("JSON_MALFORMED");
  expect((await post(`"${"x".repeat(1000)}"`)).reason).toBe("BODY_TOO_LARGE");
  expect((await post(`"${"x".repeat(1000)}"`, { "transfer-encoding": "chunked" })).reason).toBe("BODY_TOO_LARGE");
  expect((await post("x", { "content-encoding": "gzip" })).reason).toBe("CONTENT_NOT_INSPECTABLE");
  expect(bodies).toStrictEqual([good, good]);
});

test("what failed is repeated if that is safe, within the attempts", async () => {
  let failures = 0;
  await using upstream = await startServer((incoming, response) => {
    void buffer(incoming).then((body) => {
      failures -= 1;
      if (failures >= 0) response.writeHead(503).end("no");
      else response.end(`got ${body.toString()}`);
    });
  });
  await using gateway = await startGateway(upstream, [{ type: "retry", configuration: { attempts: 3, pauseMs: 0 } }]);
  failures = 2;
  expect(await gateway.ask({ method: "PUT", body: "abc" })).toMatchObject({ status: 200, body: "got abc" });
  expect(upstream.requests).toHaveLength(3);
  failures = 3;
  expect((await gateway.ask()).body).toBe("no");
  failures = 1;
  expect((await gateway.ask({ method: "POST", body: "abc" })).body).toBe("no");
  expect(upstream.requests).toHaveLength(7);
});

test("an upstream that fails is not asked for a while", async () => {
  await using upstream = await startServer((_, response) => response.writeHead(503).end("no"));
  await using gateway = await startGateway(upstream, [
    { type: "circuit-breaker", configuration: { minimumRequests: 3 } },
  ]);
  for (let request = 0; request < 3; request += 1) expect((await gateway.ask()).body).toBe("no");
  const refused = await gateway.ask();
  expect(refused).toMatchObject({ status: 503, reason: "CIRCUIT_OPEN" });
  expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
  expect(upstream.requests).toHaveLength(3);
});

test("while one replica fails the others get its requests", async () => {
  await using failing = await startServer((_, response) => response.writeHead(503).end("no"));
  await using healthy = await startServer(hello);
  await using gateway = await startGateway(
    [failing, healthy],
    [{ type: "circuit-breaker", configuration: { minimumRequests: 2, openSeconds: 60 } }],
  );
  while (failing.requests.length < 2) await gateway.ask();
  const answers = [];
  for (let request = 0; request < 10; request += 1) answers.push((await gateway.ask()).body);
  expect(answers).toStrictEqual(answers.map(() => "hello"));
  expect(failing.requests).toHaveLength(2);
});

test("an upstream that is silent is given up at the policy's limit", async () => {
  await using upstream = await startServer(() => undefined);
  await using gateway = await startGateway(upstream, [{ type: "timeout", configuration: { responseMs: 100 } }]);
  expect((await gateway.ask()).status).toBe(504);
});

test("a signed module decides about requests; one that is late refuses them and is asked again", async () => {
  const ed = generateKeyPairSync("ed25519");
  const source = Buffer.from(`export function onRequest({ query, headers }, { limit }) {
    if (query === "loop") for (;;);
    if (query.length > limit) return { refuse: { status: 414, title: "too long" } };
    return { setHeaders: { "X-Seen": JSON.stringify(headers) }, setResponseHeaders: { "X-Checked": "yes" } };
  }`);
  const header = Buffer.from('{"alg":"EdDSA","typ":"drawbridge-module+jws"}').toString("base64url");
  const signature = sign(null, Buffer.from(`${header}.${source.toString("base64url")}`), ed.privateKey);
  await using upstream = await startServer(hello);
  await using gateway = await startGateway(
    upstream,
    [
      {
        type: "custom",
        configuration: {
          module: createHash("sha256").update(source).digest("hex"),
          signature: `${header}..${signature.toString("base64url")}`,
          configuration: { limit: 5 },
          requestHeaders: ["x-tenant"],
          timeoutMs: 1000,
        },
      },
    ],
    { assets: [source], trustedModuleKeys: [ed.publicKey.export({ format: "pem", type: "spki" })] },
  );
  const answer = await gateway.ask({ headers: { "x-tenant": "acme", cookie: "a=b" } });
  expect(answer).toMatchObject({ status: 200, headers: { "x-checked": "yes" } });
  expect(upstream.requests[0]?.headers["x-seen"]).toBe('[["x-tenant","acme"]]');
  expect((await gateway.ask({ path: "/orders?a=123456" })).reason).toBe("MODULE_REFUSED");
  expect(await gateway.ask({ path: "/orders?loop" })).toMatchObject({ status: 500, reason: "MODULE_FAILED" });
  expect((await gateway.ask()).status).toBe(200);
  expect(upstream.requests).toHaveLength(2);
});

function passwordHash(password: string): string {
  const salt = Buffer.alloc(16, 7);
  const text = (bytes: Buffer) => bytes.toString("base64").replaceAll("=", "");
  return `$scrypt$ln=14,r=8,p=1$${text(salt)}$${text(scryptSync(password, salt, 32, { N: 2 ** 14, r: 8, p: 1 }))}`;
}
