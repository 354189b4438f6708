import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import type { ProgramResult } from "./child.ts";
import { type LocalStack, trustBundleFile } from "./local-stack.ts";

export const localFabric = "local";

/** Log the CLI in as the bootstrap administrator, over the real REST API. */
export async function logIn(stack: LocalStack): Promise<void> {
  await expectSuccess(
    "drawbridge login",
    stack.cli([
      "login",
      `https://127.0.0.1:${stack.ports.managementApi}`,
      "--trust-bundle",
      trustBundleFile(stack.layout),
      "--username",
      "admin",
      "--password-file",
      stack.layout.secret("admin-password"),
    ]),
  );
}

/** The real activation: an operator's token, redeemed by the agent. "resumed" if this fabric was activated before. */
export async function activateFabric(stack: LocalStack): Promise<"activated" | "resumed"> {
  if (existsSync(join(stack.layout.agent, "identity", "current"))) return "resumed";
  const tokenFile = join(stack.layout.secrets, "activation-token");
  await rm(tokenFile, { force: true });
  await expectSuccess(
    "drawbridge fabric token create",
    stack.cli(["fabric", "token", "create", localFabric, "--out", tokenFile]),
  );
  await expectSuccess("drawbridge-agent activate", stack.agentCli(["activate", "--token-file", tokenFile]));
  return "activated";
}

/** @throws DrawbridgeError `STACK_COMMAND_FAILED` with what the command printed */
export async function expectSuccess(what: string, running: Promise<ProgramResult>): Promise<ProgramResult> {
  const result = await running;
  if (result.exitCode === 0) return result;
  throw new DrawbridgeError({
    kind: "internal",
    code: "STACK_COMMAND_FAILED",
    message: `"${what}" ended with exit code ${result.exitCode}: ${`${result.stderr}${result.stdout}`.trim()}`,
  });
}
