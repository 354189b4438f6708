import { isDrawbridgeError, toError } from "@drawbridge/errors";
import { CommanderError } from "commander";
import type { CommandWorld } from "./command-context.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "./exit-codes.ts";
import { createProgram } from "./program.ts";

/** Do what the arguments say; the exit code is the answer. Every error is one message: what, why, how to fix it. */
export async function runCli(world: CommandWorld, args: readonly string[], version: string): Promise<ExitCode> {
  try {
    await createProgram(world, version).parseAsync([...args], { from: "user" });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof CommanderError) return commanderExit(error);
    if (world.signal.aborted) {
      world.stderr.write("\ninterrupted; what was asked for goes on in the control plane\n");
      return exitCodes.failure;
    }
    if (!isDrawbridgeError(error)) {
      world.stderr.write(
        `error: ${toError(error).message}\nThis is a mistake in drawbridge itself; please report it with the command that you gave.\n`,
      );
      return exitCodes.failure;
    }
    world.stderr.write(`error: ${error.message}\n(${error.code})\n`);
    if (error.code === "ROLLOUT_FAILED") return exitCodes.rolloutFailed;
    if (error.code === "ROLLOUT_TIMEOUT") return exitCodes.waitTimeout;
    return exitCodeOf(error.kind);
  }
}

function commanderExit(error: CommanderError): ExitCode {
  if (error.exitCode === 0) return exitCodes.ok;
  return error.code === "commander.error" ? exitCodes.failure : exitCodes.usage;
}
