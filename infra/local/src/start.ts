import { systemClock } from "@drawbridge/lifecycle";
import { DrawbridgeError } from "@drawbridge/errors";
import { activateFabric, expectSuccess, localFabric, logIn } from "./stack/activate-fabric.ts";
import { keepRunning } from "./stack/keep-running.ts";
import { type LocalStack, openLocalStack } from "./stack/local-stack.ts";
import { readiness } from "./stack/service-process.ts";
import { controlPlaneServices } from "./stack/services.ts";
import { startTurboDev } from "./stack/turbo-dev.ts";
import { type ExampleApp, welcomeText } from "./welcome.ts";

export interface StartOptions {
  readonly stateDir: string;
  readonly portBase?: number;
  readonly fresh: boolean;
  readonly print: (line: string) => void;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
}

/** There to end a hang: a slow machine takes its time. */
const readyTimeoutMs = 180_000;
const example = { name: "hello", directory: "examples/hello" };

/** The local stack, from nothing to a running app; resolves after Ctrl-C, when everything is stopped. */
export async function start(options: StartOptions): Promise<void> {
  const { print, signal } = options;
  const startedMs = systemClock.monotonicMs();
  await using stack = await openLocalStack({
    stateDir: options.stateDir,
    fresh: options.fresh,
    ...(options.portBase === undefined ? {} : { portBase: options.portBase }),
    progress: { progress: (message) => print(`… ${message}`) },
  });
  print("… starting the services (turbo run dev)");
  const backing = keepRunning([stack.backing.nats, stack.backing.postgres], {
    warn: (message) => print(`! ${message}`),
  });
  const turbo = startTurboDev(stack.layout);
  try {
    await Promise.race([waitForServices(stack, signal), turbo.exited.then(() => failIfRunning(stack, signal))]);
    await logIn(stack);
    print(
      (await activateFabric(stack)) === "activated"
        ? `… fabric ${localFabric} is activated`
        : `… fabric ${localFabric} resumes with its identity`,
    );
    const app = await ensureExample(stack, print);
    print(welcomeText({ stack, app, seconds: (systemClock.monotonicMs() - startedMs) / 1000 }));
    await Promise.race([turbo.exited.then(() => failIfRunning(stack, signal)), untilAborted(signal)]);
    print("\n… stopping");
  } catch (error) {
    if (!signal.aborted) throw error;
    print("\n… stopping");
  } finally {
    await turbo.stop();
    await backing.stop();
  }
}

async function waitForServices(stack: LocalStack, signal: AbortSignal): Promise<void> {
  const giveUpAtMs = systemClock.monotonicMs() + readyTimeoutMs;
  // The fabric's own are ready once it is activated.
  for (const service of controlPlaneServices) {
    for (;;) {
      const { ready, said } = await readiness(service.opsPort(stack.ports));
      if (ready) break;
      if (systemClock.monotonicMs() > giveUpAtMs) {
        throw new DrawbridgeError({
          kind: "unavailable",
          code: "SERVICE_NOT_READY",
          message: `${service.name} is not ready after ${readyTimeoutMs / 1000} s; it says: ${said}. Its log is ${stack.layout.logFile(service.name)}`,
        });
      }
      await systemClock.sleep(100, signal);
    }
  }
}

async function ensureExample(stack: LocalStack, print: (line: string) => void): Promise<ExampleApp> {
  const shown = await stack.cli(["app", "show", example.name, "-o", "json"]);
  if (shown.exitCode !== 0) {
    print(`… deploying ${example.directory} through the tunnel`);
    await expectSuccess(
      "drawbridge app deploy",
      stack.cli(["app", "deploy", example.directory, "--fabric", localFabric, "--wait"]),
    );
  } else {
    print(`… waiting for ${example.name}, deployed earlier`);
    await waitForRunning(stack);
  }
  const { stdout } = await expectSuccess("drawbridge app show", stack.cli(["app", "show", example.name, "-o", "json"]));
  const app = JSON.parse(stdout) as ExampleApp; // our own CLI's documented output
  return app;
}

async function waitForRunning(stack: LocalStack): Promise<void> {
  const giveUpAtMs = systemClock.monotonicMs() + readyTimeoutMs;
  let said = "nothing is known of it";
  while (systemClock.monotonicMs() < giveUpAtMs) {
    const { stdout } = await stack.cli(["app", "show", example.name, "-o", "json"]);
    const app = JSON.parse(stdout) as ExampleApp;
    said = stateText(app);
    if (app.statusCurrent && app.status?.phase === "running" && app.status.readyReplicas > 0) return;
    await systemClock.sleep(500);
  }
  throw new DrawbridgeError({
    kind: "unavailable",
    code: "EXAMPLE_NOT_RUNNING",
    message: `${example.name} does not run again after ${readyTimeoutMs / 1000} s: ${said}. The agent's log is ${stack.layout.logFile("agent")}`,
  });
}

/** What is known of an app that should run. */
function stateText({ name, status, statusCurrent }: ExampleApp): string {
  if (status === null || !statusCurrent) {
    return "the agent has not reported it since the start, so that the tunnel may not be open";
  }
  const reasons = (status.conditions ?? []).flatMap(({ status: value, message }) =>
    value.toLowerCase() === "false" && message !== "" ? [message] : [],
  );
  const known = [`it is ${status.phase} with ${status.readyReplicas} replica(s) ready`, ...reasons].join("; ");
  return `${known}; "drawbridge app start ${name}" starts one that was stopped`;
}

function failIfRunning(stack: LocalStack, signal: AbortSignal): void {
  if (signal.aborted) return;
  throw new DrawbridgeError({
    kind: "internal",
    code: "TURBO_ENDED",
    message: `"turbo run dev" ended by itself; its log is ${stack.layout.logFile("turbo")}`,
  });
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
