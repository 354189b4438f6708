import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../src/stack/child.ts";
import { addressOf, eventually, startTestStack, type TestStack } from "./support/running-stack.ts";

let stack: TestStack;
let orders: string;
/** The port that the fabric's operator opened for hosts. */
let sharedPort: number;

beforeAll(async () => {
  sharedPort = await portOfTheSystem();
  stack = await startTestStack({
    overrides: {
      agent: { DRAWBRIDGE_GATEWAY_HTTP_LISTEN: `127.0.0.1:${sharedPort}`, DRAWBRIDGE_ALLOW_INSIGHT: "true" },
    },
  });
  orders = `${addressOf(await stack.deploy(join(repositoryRoot, "examples/orders")))}/api/v1/orders`;
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
});

/** Free, and outside of the range from which stacks take theirs. */
async function portOfTheSystem(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

interface Answer {
  readonly status: number;
  /** Who answered, where it was not the app. */
  readonly by: string | null;
  readonly reason: string | undefined;
}

async function call(headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(orders, { headers });
  const { reason } = (await response.json()) as { readonly reason?: string };
  return { status: response.status, by: response.headers.get("x-gateway-origin"), reason };
}

const answered = (status: number, headers?: Record<string, string>): Promise<Answer> =>
  eventually(async () => {
    const answer = await call(headers);
    return answer.status === status ? answer : undefined;
  });

interface ShownGate {
  readonly state: string;
  readonly level: string;
  readonly reason: string;
  readonly message: string;
}

const gates = async (): Promise<readonly ShownGate[]> =>
  JSON.parse(await stack.run("gate", "list", "--app", "orders", "-o", "json")) as ShownGate[];

/** What the commands of the README print is read by the next ones. */
const printed = async <T>(...args: string[]): Promise<T> => JSON.parse(await stack.run(...args, "-o", "json")) as T;

test("an API that nobody made is held behind 503, and the operator is told what is missing (GK 1, GK 8)", async () => {
  expect(await answered(503)).toMatchObject({ by: "gatekeeper", reason: "unresolved" });
  const [gate] = await eventually(async () => {
    const found = await gates();
    return found[0]?.state === "unresolved" ? found : undefined;
  });
  expect(gate).toMatchObject({ level: "flexible", reason: "API_UNKNOWN" });
  expect(await stack.run("gate", "explain", "orders")).toContain("unresolved");
});

test("what the manifest does not name passes, without policies (GK 2)", async () => {
  const response = await fetch(new URL("/openapi.json", orders));
  expect(response.status).toBe(200);
});

/** Status at the shared port. */
function atHost(host: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: "127.0.0.1", port: sharedPort, path, headers: { host }, agent: false },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      },
    );
    outgoing.on("error", reject);
    outgoing.end();
  });
}

test("at the host that was asked for the gate holds as at the app's own port, and nobody else gets that host (GK 1)", async () => {
  await stack.run("app", "update", "orders", "--host", "API.example.com", "--path", "/api", "--wait");
  expect(await stack.run("app", "show", "orders")).toContain("api.example.com/api");
  await eventually(async () => ((await atHost("api.example.com", "/api/v1/orders")) === 503 ? true : undefined));
  expect(await atHost("api.example.com", "/openapi.json")).toBe(404);
  expect(await atHost("other.example.com", "/api/v1/orders")).toBe(404);
  const site = await stack.hello({ version: "1.0.0", name: "site" });
  await expect(stack.deploy(site, "--host", "api.example.com", "--path", "/api")).rejects.toThrow(
    "api.example.com/api is served by the app",
  );
  await stack.deploy(site, "--host", "*.example.com");
  await eventually(async () => ((await atHost("www.example.com", "/")) === 200 ? true : undefined));
});

test("with its API made it opens by itself, under the policies of its environment, to whoever has a contract (GK 1)", async () => {
  await stack.run("policy", "apply", "callers", "--environment", "production", "--type", "client-id-enforcement");
  const openapi = join(repositoryRoot, "examples/orders/openapi.json");
  await stack.run("api", "create", "orders:v1", "--openapi", openapi);
  expect(await answered(401)).toMatchObject({ by: "policy" });
  const secretFile = join(stack.folder, "shop.secret");
  const { client } = await printed<{ client: { clientId: string } }>("client", "create", "shop", "--out", secretFile);
  const { contractId } = await printed<{ contractId: string }>("contract", "request", "orders:v1", "shop");
  const secret = (await readFile(secretFile, "utf8")).trim();
  const credentials = { client_id: client.clientId, client_secret: secret };
  expect((await call(credentials)).by).toBe("policy");
  await stack.run("contract", "approve", contractId);
  expect(await answered(200, credentials)).toMatchObject({ by: null });
  expect(await atHost("api.example.com", "/api/v1/orders"), "without credentials").toBe(401);

  await stack.run("api", "set", "orders:v1", "--observe-routes", "on");
  const seen = await eventually(async () => {
    await Promise.all(Array.from({ length: 20 }, () => call(credentials)));
    const { routes } = await printed<{ routes: readonly { method: string; path: string }[] }>(
      "api",
      "routes",
      "orders:v1",
    );
    return routes.length > 0 ? routes : undefined;
  });
  expect(seen, "observed").toMatchObject([{ method: "GET", path: "/orders" }]);

  await stack.stack.service("agent").kill();
  await eventually(async () => ((await fetchStates()).every((state) => state === "stale") ? true : undefined));
  expect(await call(credentials), "without an agent").toMatchObject({ status: 200, by: null });
  stack.stack.service("agent").start();
  await stack.stack.service("agent").waitReady();

  await stack.run("contract", "revoke", contractId);
  expect(await answered(401, credentials)).toMatchObject({ by: "policy" });
});

/** What a client sends beside what is told of it. */
const canary = "canary-5f3a9c";

interface Figures {
  readonly rows: readonly {
    readonly group: Readonly<Record<string, string>>;
    readonly values: Readonly<Record<string, number>>;
  }[];
}

test("requests of its API are counted and shown, and of their content nothing (ANA 1, ANA 2, GK 2)", async () => {
  const sent = 7;
  for (let count = 0; count < sent; count += 1) {
    const response = await fetch(`${orders}?${canary}=${canary}`, {
      method: "POST",
      headers: { "x-canary": canary, cookie: `session=${canary}`, "content-type": "application/json" },
      body: JSON.stringify({ canary }),
    });
    expect(response.status).toBe(401);
  }
  const figures = await eventually(async () => {
    const what = ["--group", "path,policy,status", "--where", "verb=POST"];
    const found = await printed<Figures>("analytics", "query", "--since", "1h", ...what);
    return found.rows.length > 0 && found.rows[0]?.values["requests"] === sent ? found : undefined;
  });
  expect(figures.rows).toMatchObject([
    { group: { resourcePath: "/orders", violatedPolicy: "callers", statusClass: "4xx" }, values: { requests: sent } },
  ]);
  const exported = join(stack.folder, "requests.ndjson");
  await stack.run("analytics", "export", "--since", "1h", "--format", "ndjson", "--out", exported);
  const everything = await readFile(exported, "utf8");
  expect(everything).toContain("/orders");
  expect(everything, "resource that no API tracks").not.toContain("/openapi.json");
  expect(everything).not.toContain(canary);
});

test("where the fabric's owner allows it a capture tells what it reveals, and nothing else of the content (META 4)", async () => {
  const { captureId } = await printed<{ captureId: string }>(
    "insight",
    "start",
    "orders:v1",
    "--for",
    "5m",
    "--where",
    "method=POST",
    "--reveal",
    "header.x-shown",
  );
  const file = join(stack.folder, "exchanges.ndjson");
  const told = await eventually(async () => {
    const headers = { "x-shown": "seen-by-name", "x-canary": canary, authorization: `Bearer ${canary}` };
    await (await fetch(`${orders}?${canary.slice(0, 6)}=${canary}`, { method: "POST", headers, body: "{}" })).text();
    await stack.run("insight", "export", captureId, "--out", file, "--force");
    const text = await readFile(file, "utf8");
    return text.includes("seen-by-name") ? text : undefined;
  });
  expect(told).toContain(`string(${canary.length})`);
  expect(told).not.toContain(canary);
  expect(await printed("insight", "stop", captureId)).toMatchObject({ captureId, state: "stopped" });
});

/** From the gateway itself: there is no agent that could tell the control plane. */
async function fetchStates(): Promise<readonly string[]> {
  const path = join(stack.stack.layout.agent, "cluster", "gateway", "admin.json");
  const { host, port } = JSON.parse(await readFile(path, "utf8")) as { readonly host: string; readonly port: number };
  const { gates: seen } = (await (await fetch(`http://${host}:${port}/gatekeeper`)).json()) as {
    readonly gates: readonly ShownGate[];
  };
  return seen.map(({ state }) => state);
}
