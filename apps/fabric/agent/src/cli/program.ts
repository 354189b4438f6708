import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { DrawbridgeError } from "@drawbridge/errors";
import { agentVersion } from "../agent-version.ts";
import { keyCommand } from "./key-command.ts";
import { activateCommand, type ActivateCommandOptions } from "./activate-command.ts";
import type { CommandWorld, CommonOptions } from "./command-context.ts";
import { doctorCommand, type DoctorCommandOptions } from "./doctor-command.ts";
import { egressCommand, type EgressCommandOptions } from "./egress-command.ts";
import { exitCode, exitCodeHelp, exitCodeOf } from "./exit-code.ts";
import { renewCommand, type RenewCommandOptions } from "./renew-command.ts";
import { recoverCommand } from "./recover-command.ts";
import { restartGatewaysCommand } from "./restart-gateways-command.ts";
import { runCommand } from "./run-command.ts";
import { statusCommand, type StatusCommandOptions } from "./status-command.ts";
import { stopAppsCommand } from "./stop-apps-command.ts";

/** Parse the arguments, run the command, answer the exit code. Errors are told on standard error, in words. */
export async function runProgram(args: readonly string[], world: CommandWorld): Promise<number> {
  let code: number = exitCode.ok;
  const program = createProgram(world, (result) => {
    code = result;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    world.err(`${textOf(error)}\n`);
    return exitCodeOf(error);
  }
}

function createProgram(world: CommandWorld, finish: (code: number) => void): Command {
  const program = new Command("drawbridge-agent")
    .description("Lives in your cluster, opens the tunnel to the control plane, runs your apps.")
    .version(agentVersion)
    .configureOutput({ writeOut: world.out, writeErr: world.err })
    .exitOverride()
    .showHelpAfterError("(add --help for help)")
    .addHelpText("after", `\n${exitCodeHelp}\nSettings are read from DRAWBRIDGE_* variables; the README lists them.`);

  const command = (name: string, description: string, examples: readonly string[]): Command =>
    program
      .command(name)
      .description(description)
      .option("--state-dir <folder>", "the agent's state folder (default: DRAWBRIDGE_STATE_DIR)")
      .addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}\n`).join("")}\n${exitCodeHelp}`);
  const output = (): Option =>
    new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table");

  command("activate", "Turn an activation token into this fabric's identity. Keys are made here and never leave.", [
    "drawbridge-agent activate --token-file token.txt",
    "ssh operator@console cat token.txt | drawbridge-agent activate --token-file -",
  ])
    .option(
      "--token-file <file>",
      "file with the token, shredded after use; - reads standard input (default: DRAWBRIDGE_ACTIVATION_TOKEN_FILE)",
    )
    .option(
      "--control-plane <host:port>",
      "activation endpoint, instead of those in the token; its identity is verified all the same",
    )
    .option("--replace", "give an activated folder a new identity; apps and stored state stay")
    .option(
      "--timeout-seconds <n>",
      "how long to try while the control plane cannot be reached",
      wholeNumber(1, 3_600),
      60,
    )
    .option(
      "--approval-timeout-seconds <n>",
      "how long to wait for an operator's approval, if the token needs one",
      wholeNumber(1, 86_400),
      1_800,
    )
    .action(async (options: ActivateCommandOptions) => finish(await activateCommand(world, options)));

  command("key", "Print the key that activate will use (SHA-256, hex), so that a token can be made for it alone.", [
    "drawbridge-agent key   # then: drawbridge fabric token create <fabric> --key <what it prints>",
  ]).action(async (options: CommonOptions) => finish(await keyCommand(world, options)));

  command("run", "Run the agent until SIGTERM or Ctrl-C. Apps go on without it. Waits while it is not activated.", [
    "drawbridge-agent run",
    "DRAWBRIDGE_LOG_FORMAT=pretty drawbridge-agent run --state-dir ./agent-state",
  ]).action(async (options: CommonOptions) => finish(await runCommand(world, options)));

  command("status", "Show identity, certificates, tunnel, generation and apps.", [
    "drawbridge-agent status",
    "drawbridge-agent status -o json",
  ])
    .addOption(output())
    .action(async (options: StatusCommandOptions) => finish(await statusCommand(world, options)));

  command(
    "doctor",
    "Try out everything that the agent needs: DNS, TCP, TLS, clock, proxy, identity, disk. Says how to fix what fails.",
    [
      "drawbridge-agent doctor",
      "drawbridge-agent doctor --token-file token.txt   # before activation; the token is not used up",
    ],
  )
    .option("--token-file <file>", "check with a token that was not used yet; - reads standard input")
    .option("--control-plane <host:port>", "activation endpoint, instead of those in the token")
    .addOption(output())
    .action(async (options: DoctorCommandOptions) => finish(await doctorCommand(world, options)));

  command("egress", "Show what left this fabric: to whom, how much, which fields. Read from this machine alone.", [
    "drawbridge-agent egress",
    "drawbridge-agent egress --days 1 -o json",
  ])
    .addOption(output())
    .option("--days <n>", "how many days back", wholeNumber(1, 30), 30)
    .action(async (options: EgressCommandOptions) => finish(await egressCommand(world, options)));

  command(
    "renew",
    "Renew both certificates now instead of at half of their lives. Takes a running agent with a tunnel.",
    ["drawbridge-agent renew --now"],
  )
    .option("--now", "yes, now: they are renewed by themselves otherwise")
    .option("--timeout-seconds <n>", "how long to wait for the new certificates", wholeNumber(1, 3_600), 60)
    .action(async (options: RenewCommandOptions) => finish(await renewCommand(world, options)));

  command(
    "recover",
    "Get a new certificate with the recovery key, now: the running agent does it by itself. Nothing is replaced before it has worked.",
    ["drawbridge-agent recover --state-dir ./agent-state"],
  ).action(async (options: CommonOptions) => finish(await recoverCommand(world, options)));

  command(
    "restart-gateways",
    "Replace every gateway by a new process, one after the other, without a failed request. Takes a running agent.",
    ["drawbridge-agent restart-gateways"],
  ).action(async (options: CommonOptions) => finish(await restartGatewaysCommand(world, options)));

  command("stop-apps", "Stop every app process of this state folder while the agent does not run.", [
    "drawbridge-agent stop-apps --state-dir ./agent-state",
  ]).action(async (options: CommonOptions) => finish(await stopAppsCommand(world, options)));

  return program;
}

function wholeNumber(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

function textOf(error: unknown): string {
  if (error instanceof DrawbridgeError) return `error: ${error.message} [${error.code}]`;
  return `error: ${error instanceof Error && error.message !== "" ? error.message : "failed for an unknown reason"}`;
}
