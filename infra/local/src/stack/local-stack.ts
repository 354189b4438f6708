import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { silentProgress, type LocalProgress } from "../backing/local-progress.ts";
import { type ProgramResult, runProgram } from "./child.ts";
import { type StackLayout, stackLayout } from "./layout.ts";
import { type StackPorts, stackPorts } from "./ports.ts";
import { type Backing, prepareControlPlane, startBacking } from "./prepare-control-plane.ts";
import { removeState } from "./remove-state.ts";
import { createServiceProcess, type ServiceProcess } from "./service-process.ts";
import { controlPlaneServices, services } from "./services.ts";
import { resumeStackFile } from "./stack-file.ts";
import { lockStack } from "./stack-lock.ts";
import { stopApps } from "./stop-apps.ts";

export interface LocalStackOptions {
  readonly stateDir: string;
  /** First port; default that of the stack's first start, then 7400. */
  readonly portBase?: number;
  /** Throw the old state away first. */
  readonly fresh?: boolean;
  readonly progress?: LocalProgress;
  readonly logFormat?: "json" | "pretty";
  readonly survives?: "power-cut" | "process-kill";
  readonly overrides?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** A complete Drawbridge on this machine: NATS, PostgreSQL, the control plane and one fabric's agent. */
export interface LocalStack extends AsyncDisposable {
  readonly layout: StackLayout;
  readonly ports: StackPorts;
  readonly backing: Backing;
  readonly service: (name: string) => ServiceProcess;
  /** Start every control-plane service as a child of ours and wait until all are ready. */
  startControlPlane(): Promise<void>;
  /** `drawbridge …` with this stack's login. */
  cli(
    args: readonly string[],
    options?: { readonly input?: string; readonly cwd?: string; readonly timeoutMs?: number },
  ): Promise<ProgramResult>;
  /** `drawbridge-agent …` on this stack's fabric. */
  agentCli(args: readonly string[], options?: { readonly input?: string }): Promise<ProgramResult>;
  /** Stop the services that we started, the apps, NATS and PostgreSQL. State stays. */
  stop(): Promise<void>;
}

/** Backing services started, database and certificates ready, environment files written; no service started yet. */
export async function openLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const layout = stackLayout(options.stateDir);
  const progress = options.progress ?? silentProgress;
  const unlock = await lockStack(`${layout.root}.lock`);
  try {
    if (options.fresh) {
      await stopApps(layout);
      await removeState(layout.root);
    }
    const { portBase } = await resumeStackFile(layout.stackFile, options.portBase);
    const ports = stackPorts(portBase);
    const prepare = {
      layout,
      ports,
      progress,
      logFormat: options.logFormat ?? ("json" as const),
      ...(options.survives ? { survives: options.survives } : {}),
      ...(options.overrides ? { overrides: options.overrides } : {}),
    };
    progress.progress("starting NATS and PostgreSQL");
    const backing = await startBacking(prepare);
    try {
      progress.progress("preparing database and certificates");
      await prepareControlPlane(backing, prepare);
    } catch (error) {
      await Promise.all([backing.nats.stop(), backing.postgres.stop()]);
      throw error;
    }
    return createLocalStack({ layout, ports, backing, unlock });
  } catch (error) {
    await unlock();
    throw error;
  }
}

function createLocalStack(made: {
  readonly layout: StackLayout;
  readonly ports: StackPorts;
  readonly backing: Backing;
  readonly unlock: () => Promise<void>;
}): LocalStack {
  const { layout, ports, backing } = made;
  const processes = new Map(
    services.map(({ name }) => [name, createServiceProcess({ name, layout, ports, clock: systemClock })] as const),
  );
  const service = (name: string): ServiceProcess => {
    const found = processes.get(name);
    if (!found) throw new Error(`there is no service "${name}"`);
    return found;
  };
  let isStopped = false;

  async function stop(): Promise<void> {
    if (isStopped) return;
    isStopped = true;
    await service("agent").stop();
    await stopApps(layout);
    await Promise.all([...processes.values()].map((each) => each.stop()));
    await Promise.all([backing.nats.stop(), backing.postgres.stop()]);
    await made.unlock();
  }

  return {
    layout,
    ports,
    backing,
    service,
    startControlPlane: async () => {
      const controlPlane = controlPlaneServices.map(({ name }) => service(name));
      for (const each of controlPlane) each.start();
      await Promise.all(controlPlane.map((each) => each.waitReady()));
    },
    cli: (args, options = {}) =>
      runProgram({
        program: "apps/operator/cli/src/main.ts",
        args,
        env: { DRAWBRIDGE_CONFIG_DIR: layout.cli },
        ...options,
      }),
    agentCli: (args, options = {}) =>
      runProgram({
        program: "apps/fabric/agent/src/main.ts",
        args: [...args, "--state-dir", layout.agent],
        ...options,
      }),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Where the CLI finds whom to trust. */
export function trustBundleFile(layout: StackLayout): string {
  return join(layout.identity("management-api"), "trust-bundle.json");
}
