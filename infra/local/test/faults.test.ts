import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startLoad } from "./support/constant-load.ts";
import {
  addressOf,
  eventually,
  type ShownApp,
  startTestStack,
  type TestStack,
  versionAt,
} from "./support/running-stack.ts";

let stack: TestStack;
let address: string;

beforeAll(async () => {
  stack = await startTestStack();
  address = addressOf(await stack.deploy(await stack.hello({ version: "1.0.0" }), "--replicas", "2"));
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
});

const running = (app: ShownApp): readonly string[] =>
  (app.status?.replicas ?? []).map(({ replicaId, startedAt }) => `${replicaId} ${startedAt}`).toSorted();
const currentApp = (name: string): Promise<ShownApp> =>
  eventually(async () => {
    const app = await stack.show(name);
    return app.statusCurrent && app.status?.phase === "running" ? app : undefined;
  });

test("kill -9 of the agent: apps answer every request, the restarted agent adopts the same processes (MGT 5)", async () => {
  const before = await currentApp("hello");
  const load = startLoad(address);
  const agent = stack.stack.service("agent");
  await agent.kill();
  expect(await versionAt(address)).toBe("1.0.0");
  agent.start();
  await agent.waitReady();
  const after = await currentApp("hello");
  expect((await load.stop()).failures).toEqual([]);
  expect(running(after)).toEqual(running(before));
});

test("deployed while the fabric is away: applied on return, nothing lost (MGT 5)", async () => {
  const agent = stack.stack.service("agent");
  await agent.stop();
  const directory = await stack.hello({ version: "1.0.0", name: "away" });
  await stack.run("app", "deploy", directory, "--fabric", "local");
  await stack.run("app", "scale", "away", "2");
  agent.start();
  const app = await currentApp("away");
  expect(app.status?.readyReplicas).toBe(2);
});

test.each(["runtime-manager", "NATS", "PostgreSQL"])(
  "kill -9 of %s while deployments go on: nothing lost, nothing doubled, no request fails",
  async (victim) => {
    const name = `during-${victim.toLowerCase()}`;
    const directory = await stack.hello({ version: "1.0.0", name });
    const load = startLoad(address);
    const deploying = stack.stack.cli(["app", "deploy", directory, "--fabric", "local", "-o", "json"]);
    await kill(victim);
    const first = await deploying;
    // What the command said holds: after a failure the operator tries again, after a success nothing may be missing.
    if (first.exitCode !== 0)
      await eventually(async () =>
        (await stack.stack.cli(["app", "deploy", directory, "--fabric", "local"])).exitCode === 0 ? true : undefined,
      );
    const app = await currentApp(name);
    expect((await load.stop()).failures).toEqual([]);
    expect(app.status?.readyReplicas).toBe(1);
    expect(app.revision).toBe(1);
    const listed = JSON.parse(await stack.run("app", "list", "-o", "json")) as { name: string }[];
    expect(listed.filter((each) => each.name === name)).toHaveLength(1);
    const deployments = JSON.parse(await stack.run("app", "history", name, "-o", "json")) as unknown[];
    expect(deployments).toHaveLength(1);
  },
);

test("the whole control plane restarted with empty caches deletes and restarts nothing", async () => {
  const before = JSON.parse(await stack.run("app", "list", "-o", "json")) as ShownApp[];
  const load = startLoad(address);
  const controlPlane = [
    "management-api",
    "api-manager",
    "config-resolver",
    "activation",
    "runtime-manager",
    "cert-authority",
  ].map((name) => stack.stack.service(name));
  await Promise.all(controlPlane.map((service) => service.kill()));
  await Promise.all([stack.stack.backing.nats.restart(), stack.stack.backing.postgres.restart()]);
  for (const service of controlPlane) service.start();
  await Promise.all(controlPlane.map((service) => service.waitReady()));
  for (const app of before) expect(running(await currentApp(app.name))).toEqual(running(app));
  expect((await load.stop()).failures).toEqual([]);
});

test("the agent works from its stored snapshot when it starts without a control plane (MGT 5)", async () => {
  const tunnel = stack.stack.service("runtime-manager");
  const agent = stack.stack.service("agent");
  await tunnel.kill();
  await agent.kill();
  agent.start();
  await agent.waitReady();
  expect(await versionAt(address)).toBe("1.0.0");
  tunnel.start();
  await tunnel.waitReady();
  await currentApp("hello");
});

test("one trace goes from the operator's command to the agent's action", async () => {
  await stack.run("app", "restart", "hello", "--wait");
  const shared = await eventually(async () => {
    const ids = async (process: string): Promise<Set<string>> => {
      const text = await readFile(`${stack.stack.layout.traces}/${process}.jsonl`, "utf8");
      return new Set(
        text
          .trim()
          .split("\n")
          .map((line) => (JSON.parse(line) as { traceId: string }).traceId),
      );
    };
    const [api, runtime, agent] = await Promise.all([ids("management-api"), ids("runtime-manager"), ids("agent")]);
    const common = [...api].filter((id) => runtime.has(id) && agent.has(id));
    return common.length > 0 ? common : undefined;
  });
  expect(shared.length).toBeGreaterThan(0);
});

async function kill(victim: string): Promise<void> {
  const { backing } = stack.stack;
  if (victim === "runtime-manager") {
    const service = stack.stack.service("runtime-manager");
    await service.kill();
    service.start();
    await service.waitReady();
    return;
  }
  const store = victim === "NATS" ? backing.nats : backing.postgres;
  await store.kill();
  await store.start();
}
