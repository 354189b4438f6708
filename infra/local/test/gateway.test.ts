import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../src/stack/child.ts";
import { addressOf, eventually, startTestStack, type TestStack } from "./support/running-stack.ts";

let stack: TestStack;
let orders: string;

beforeAll(async () => {
  stack = await startTestStack();
  orders = `${addressOf(await stack.deploy(join(repositoryRoot, "examples/orders")))}/api/v1/orders`;
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
});

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

  await stack.stack.service("agent").kill();
  await eventually(async () => ((await fetchStates()).every((state) => state === "stale") ? true : undefined));
  expect(await call(credentials), "without an agent").toMatchObject({ status: 200, by: null });
  stack.stack.service("agent").start();
  await stack.stack.service("agent").waitReady();

  await stack.run("contract", "revoke", contractId);
  expect(await answered(401, credentials)).toMatchObject({ by: "policy" });
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
