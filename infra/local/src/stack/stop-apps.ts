import { existsSync } from "node:fs";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { runProgram } from "./child.ts";
import type { StackLayout } from "./layout.ts";

/** End every app that the agent of this stack left running: they outlive it by design. */
export async function stopApps(layout: StackLayout): Promise<void> {
  if (!existsSync(join(layout.agent, "cluster", "apps"))) return;
  const result = await runProgram({
    program: "apps/fabric/agent/src/main.ts",
    args: ["stop-apps", "--state-dir", layout.agent],
  });
  if (result.exitCode === 0) return;
  throw new DrawbridgeError({
    kind: "internal",
    code: "STACK_APPS_NOT_STOPPED",
    message: `the apps of ${layout.agent} could not be stopped: ${result.stderr.trim()}`,
  });
}
