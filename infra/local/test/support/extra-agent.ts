import { join } from "node:path";
import { systemClock } from "@drawbridge/lifecycle";
import { expectSuccess } from "../../src/stack/activate-fabric.ts";
import { type ProgramResult, runProgram } from "../../src/stack/child.ts";
import { stackLayout } from "../../src/stack/layout.ts";
import type { LocalStack } from "../../src/stack/local-stack.ts";
import { createServiceProcess, type ServiceProcess } from "../../src/stack/service-process.ts";
import { stopApps } from "../../src/stack/stop-apps.ts";

/** A second agent beside the stack's own: of another fabric, or a copy of one. */
export interface ExtraAgent extends AsyncDisposable {
  readonly stateDir: string;
  readonly opsPort: number;
  readonly agent: ServiceProcess;
  /** `drawbridge-agent …` on its state folder. */
  cli(...args: string[]): Promise<ProgramResult>;
  /** Redeem a token of the fabric, which is made if there is none; its name. */
  activate(fabric: string): Promise<void>;
}

/** Ports of a stack that the stack itself does not take: for at most eight agents, numbered from 0. */
const firstOpsPort = 292;
const appsPerAgent = 10;

export function createExtraAgent(stack: LocalStack, number: number): ExtraAgent {
  const { base, apps } = stack.ports;
  const opsPort = base + firstOpsPort + number;
  const appsFrom = apps[1] + 1 + number * appsPerAgent;
  const stateDir = join(stack.layout.root, `agent-${number}`);
  const agent = createServiceProcess({
    name: "agent",
    alias: `agent-${number}`,
    layout: stack.layout,
    ports: stack.ports,
    clock: systemClock,
    opsPort,
    env: {
      DRAWBRIDGE_STATE_DIR: stateDir,
      DRAWBRIDGE_OPS_LISTEN: `127.0.0.1:${opsPort}`,
      DRAWBRIDGE_TRACE_FILE: join(stack.layout.traces, `agent-${number}.jsonl`),
      DRAWBRIDGE_APP_PORT_RANGE: `${appsFrom}-${appsFrom + appsPerAgent - 1}`,
    },
  });
  const cli = (...args: string[]): Promise<ProgramResult> =>
    runProgram({ program: "apps/fabric/agent/src/main.ts", args: [...args, "--state-dir", stateDir] });
  return {
    stateDir,
    opsPort,
    agent,
    cli,
    activate: async (fabric) => {
      const { stdout } = await expectSuccess(
        "drawbridge fabric token create",
        stack.cli(["fabric", "token", "create", fabric, "-o", "json"]),
      );
      const { token } = JSON.parse(stdout) as { token: string };
      await expectSuccess(
        "drawbridge-agent activate",
        runProgram({
          program: "apps/fabric/agent/src/main.ts",
          args: ["activate", "--token-file", "-", "--state-dir", stateDir],
          input: token,
        }),
      );
    },
    [Symbol.asyncDispose]: async () => {
      await agent.stop();
      await stopApps({ ...stackLayout(stack.layout.root), agent: stateDir });
    },
  };
}
