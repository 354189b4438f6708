import { cp, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { DrawbridgeError, isDrawbridgeError, toError } from "@drawbridge/errors";
import { activateFabric, expectSuccess, localFabric, logIn } from "./stack/activate-fabric.ts";
import { repositoryRoot } from "./stack/child.ts";
import { freePortBase } from "./stack/free-port-base.ts";
import { type LocalStack, openLocalStack } from "./stack/local-stack.ts";
import { removeState } from "./stack/remove-state.ts";

/** The main job, once, on a throw-away stack with free ports. Resolves with the exit code. */
export async function smoke(print: (line: string) => void): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-smoke-"));
  const startedMs = systemClock.monotonicMs();
  let stack: LocalStack | undefined;
  try {
    const step = createSteps(print);
    stack = await step("start NATS and PostgreSQL, make database and certificates", async () =>
      openLocalStack({ stateDir: join(folder, "state"), portBase: await freePortBase() }),
    );
    await runSteps(stack, step, folder);
    print(`\nsmoke: all steps passed in ${((systemClock.monotonicMs() - startedMs) / 1000).toFixed(1)} s`);
    return 0;
  } catch (error) {
    print(`\nsmoke: FAILED: ${isDrawbridgeError(error) ? `${error.code}: ${error.message}` : toError(error).message}`);
    if (stack) print(await agentLog(stack));
    return 1;
  } finally {
    await stack?.stop();
    await removeState(folder);
  }
}

type Step = <T>(title: string, work: () => Promise<T>) => Promise<T>;

function createSteps(print: (line: string) => void): Step {
  return async (title, work) => {
    const startedMs = systemClock.monotonicMs();
    const result = await work();
    print(`ok  ${`${((systemClock.monotonicMs() - startedMs) / 1000).toFixed(1)} s`.padStart(7)}  ${title}`);
    return result;
  };
}

async function runSteps(stack: LocalStack, step: Step, folder: string): Promise<void> {
  const agent = stack.service("agent");
  const deploy = (directory: string): Promise<unknown> =>
    expectSuccess("drawbridge app deploy", stack.cli(["app", "deploy", directory, "--fabric", localFabric, "--wait"]));

  await step("start the control plane", () => stack.startControlPlane());
  await step("log in as administrator", () => logIn(stack));
  await step("activate fabric local with a single-use token", () => activateFabric(stack));
  await step("open the tunnel", async () => {
    agent.start();
    await agent.waitReady();
  });
  await step("deploy examples/hello", () => deploy(join(repositoryRoot, "examples/hello")));
  const first = await step("call the app", async () => callApp(await addressOf(stack)));
  const address = await addressOf(stack);
  await step("kill -9 the agent; the app still answers", async () => {
    await agent.kill();
    await expectVersion(address, first);
  });
  await step("start the agent again; it adopts the running app", async () => {
    agent.start();
    await agent.waitReady();
    await expectVersion(address, first);
  });
  const second = await newerVersion(folder);
  await step(`update to version ${second.version}`, async () => {
    await deploy(second.directory);
    await expectVersion(address, second.version);
  });
  await step("roll back", async () => {
    await expectSuccess("drawbridge app rollback", stack.cli(["app", "rollback", "hello", "--wait"]));
    await expectVersion(address, first);
  });
}

async function addressOf(stack: LocalStack): Promise<string> {
  const { stdout } = await expectSuccess("drawbridge app show", stack.cli(["app", "show", "hello", "-o", "json"]));
  const app = JSON.parse(stdout) as { status: { endpoints: string[] } | null }; // our own CLI's documented output
  const [address] = app.status?.endpoints ?? [];
  if (address === undefined) throw failed("the app has no address");
  return address;
}

/** The version that the app says it is. */
async function callApp(address: string): Promise<string> {
  const response = await fetch(address, { signal: AbortSignal.timeout(10_000) });
  const body = (await response.json()) as { version?: unknown };
  if (!response.ok || typeof body.version !== "string")
    throw failed(`${address} answered ${response.status} without a version`);
  return body.version;
}

async function expectVersion(address: string, version: string): Promise<void> {
  const actual = await callApp(address);
  if (actual !== version) throw failed(`${address} answers with version ${actual}, expected ${version}`);
}

async function newerVersion(folder: string): Promise<{ readonly directory: string; readonly version: string }> {
  const directory = join(folder, "hello");
  const version = "2.0.0";
  await cp(resolve(repositoryRoot, "examples/hello"), directory, { recursive: true });
  const manifest = join(directory, "drawbridge.yaml");
  await writeFile(manifest, (await readFile(manifest, "utf8")).replace(/^version: .*$/m, `version: ${version}`));
  return { directory, version };
}

function failed(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "internal", code: "SMOKE_FAILED", message });
}

async function agentLog(stack: LocalStack): Promise<string> {
  const text = await readFile(stack.layout.logFile("agent"), "utf8").catch(() => "");
  return `last lines of the agent's log:\n${text.trimEnd().split("\n").slice(-15).join("\n")}`;
}
