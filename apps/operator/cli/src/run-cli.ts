import { DrawbridgeError, isDrawbridgeError, toError } from "@drawbridge/errors";
import { CommanderError } from "commander";
import type { CommandWorld } from "./command-context.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "./exit-codes.ts";
import { errorJson, errorText, wantsJson } from "./output/error-output.ts";
import { createProgram } from "./program.ts";

/**
 * Do what the arguments say; the exit code is the answer. Every error is one message on standard error: what, why, how to
 * fix it; with `-o json` one line of JSON.
 */
export async function runCli(world: CommandWorld, args: readonly string[], version: string): Promise<ExitCode> {
  const format = wantsJson(args) ? "json" : "table";
  try {
    await createProgram(world, { version, format }).parseAsync([...args], { from: "user" });
    return exitCodes.ok;
  } catch (thrown) {
    if (thrown instanceof CommanderError && (format === "table" || isNoError(thrown))) return commanderExit(thrown);
    const error = toShown(world, thrown);
    world.stderr.write(format === "json" ? errorJson(error) : errorText(error));
    if (thrown instanceof CommanderError) return commanderExit(thrown);
    if (error.code === "ROLLOUT_FAILED") return exitCodes.rolloutFailed;
    if (error.code === "ROLLOUT_TIMEOUT") return exitCodes.waitTimeout;
    return exitCodeOf(error.kind);
  }
}

function toShown(world: CommandWorld, thrown: unknown): DrawbridgeError {
  if (thrown instanceof CommanderError) return commandLineInvalid(thrown);
  if (world.signal.aborted) {
    return new DrawbridgeError({
      kind: "cancelled",
      code: "COMMAND_INTERRUPTED",
      message: "interrupted; what was asked for goes on in the control plane",
    });
  }
  if (isDrawbridgeError(thrown)) return thrown;
  return new DrawbridgeError({
    kind: "internal",
    code: "INTERNAL",
    message: `${toError(thrown).message}. This is a mistake in drawbridge itself; please report it with the command that you gave`,
  });
}

/** For JSON only: to people commander has said it already. */
function commandLineInvalid(error: CommanderError): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "COMMAND_LINE_INVALID",
    message:
      error.code === "commander.help"
        ? "the command needs a verb; --help lists them"
        : error.message.replace(/^error: /, ""),
  });
}

/** Help that was asked for, and a command whose output tells of the failure (doctor). */
function isNoError(error: CommanderError): boolean {
  return error.exitCode === 0 || error.code === "commander.error";
}

function commanderExit(error: CommanderError): ExitCode {
  if (error.exitCode === 0) return exitCodes.ok;
  return error.code === "commander.error" ? exitCodes.failure : exitCodes.usage;
}
