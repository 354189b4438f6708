import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { clientTlsOptions } from "@drawbridge/pki";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adminPassword, startApi, type TestApi } from "./support/start-api.ts";

let world: TestApi;
beforeAll(async () => {
  world = await startApi({
    env: { DRAWBRIDGE_RATE_PER_TOKEN: "40", DRAWBRIDGE_RATE_REFUSED_PER_ADDRESS: "30" },
  });
});
afterAll(() => world[Symbol.asyncDispose]());

describe("a request", () => {
  test("with a body over 1 MiB is refused with 413", async () => {
    const body = { username: "x".repeat(1_100_000), password: "y" };
    const answer = await world.api.call("POST", "/v1/sessions", { body });
    expect(answer.json).toMatchObject({ status: 413, code: "BODY_TOO_LARGE" });
  });

  test("whose body is not JSON is refused without repeating it", async () => {
    const answer = await world.api.open("POST", "/v1/sessions", {
      bytes: "{ password: hunter2",
      headers: { "content-type": "application/json" },
    });
    const text = await answer.body.text();
    expect(answer.statusCode).toBe(400);
    expect(JSON.parse(text)).toMatchObject({ code: "BODY_MALFORMED" });
    expect(text).not.toContain("hunter2");
  });

  test("to a path that is none is refused as problem+json", async () => {
    const answer = await world.api.call("GET", "/v1/nothing");
    expect(answer.json).toMatchObject({
      status: 404,
      code: "ROUTE_NOT_FOUND",
      type: "urn:drawbridge:error:ROUTE_NOT_FOUND",
    });
    expect(answer.headers["content-type"]).toContain("application/problem+json");
  });

  test("for more items than a page may have is refused", async () => {
    const answer = await world.api.call("GET", "/v1/audit?limit=501", { token: world.adminToken });
    expect(answer.json).toMatchObject({
      code: "REQUEST_INVALID",
      errors: [{ field: "limit", message: "must be at most 500" }],
    });
  });

  test("with an unknown query parameter is refused: it may be a filter spelled wrong", async () => {
    const answer = await world.api.call("GET", "/v1/apps?enviroment=production", { token: world.adminToken });
    expect(answer.json).toMatchObject({ code: "REQUEST_INVALID", errors: [{ field: "enviroment" }] });
  });

  test("with an Idempotency-Key that is too long is refused", async () => {
    const answer = await world.api.call("POST", "/v1/environments", {
      token: world.adminToken,
      body: { name: "x" },
      headers: { "idempotency-key": "k".repeat(201) },
    });
    expect(answer.json.code).toBe("REQUEST_INVALID");
  });

  test("with headers over Node's limit is cut off", async () => {
    const response = world.api.open("GET", "/v1/whoami", { headers: { "x-large": "x".repeat(20_000) } });
    const status = await response.then(
      (answer) => answer.statusCode,
      () => "connection closed",
    );
    expect([431, "connection closed"]).toContain(status);
  });

  test("with a NUL where text is expected is refused", async () => {
    const body = { username: "a\0b", password: "x" };
    expect((await world.api.call("POST", "/v1/sessions", { body })).json.code).toBe("REQUEST_INVALID");
    const answer = await world.api.call("GET", "/v1/environments/a%00b/apps/x", { token: world.adminToken });
    expect(answer.json.code).toBe("REQUEST_INVALID");
  });
});

describe("rates", () => {
  test("are limited per token: 429 with the time to wait, and other tokens go on", async () => {
    const token = await world.login("admin", adminPassword);
    let answer = await world.api.call("GET", "/v1/whoami", { token });
    while (answer.status === 200) answer = await world.api.call("GET", "/v1/whoami", { token });
    expect(answer.json).toMatchObject({ status: 429, code: "RATE_LIMITED" });
    expect(Number(answer.headers["retry-after"])).toBeGreaterThanOrEqual(1);
    const other = await world.login("admin", adminPassword);
    expect((await world.api.call("GET", "/v1/whoami", { token: other })).status).toBe(200);
  });

  test("of bad tokens are limited per address, before the store is asked; a flood does not fill the audit log", async () => {
    let answer = await world.api.call("GET", "/v1/whoami", { token: "dbt1.bad" });
    for (let index = 0; answer.status === 401; index += 1) {
      expect(index).toBeLessThan(60);
      answer = await world.api.call("GET", "/v1/whoami", { token: "dbt1.bad" });
    }
    expect(answer.json.code).toBe("RATE_LIMITED");
  });
});

test("TLS 1.3 only, with the identity of the service and without a client certificate", async () => {
  const { port } = new URL(world.url);
  const options = clientTlsOptions(
    { trustBundle: world.ca.trustBundle },
    { expectedServer: "/cp/management-api", alpnProtocols: ["http/1.1"] },
  );
  const socket: TLSSocket = connect({ ...options, host: "127.0.0.1", port: Number(port) });
  await once(socket, "secureConnect");
  expect(socket.getProtocol()).toBe("TLSv1.3");
  socket.destroy();
  const old = connect({
    ...options,
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.2",
    host: "127.0.0.1",
    port: Number(port),
  });
  await expect(once(old, "secureConnect")).rejects.toThrow(Error);
});

test("the trust bundle is there without a login, as in trust-bundle.json", async () => {
  const { json } = await world.api.call("GET", "/v1/trust-bundle");
  expect(json).toMatchObject({ trust_domain: "drawbridge.local", spiffe_sequence: 1 });
  expect(json.roots[0]).toContain("BEGIN CERTIFICATE");
});
