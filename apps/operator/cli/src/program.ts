import { Command } from "commander";
import type { CommandWorld } from "./command-context.ts";
import { administrationCommands } from "./commands/administration.ts";
import { alertCommand } from "./commands/alert.ts";
import { analyticsCommand } from "./commands/analytics.ts";
import { apiCommand } from "./commands/api.ts";
import { appCommand } from "./commands/app.ts";
import { bundleCommand } from "./commands/bundle.ts";
import { caCommand } from "./commands/ca.ts";
import { certCommand } from "./commands/cert.ts";
import { clientCommand } from "./commands/client.ts";
import { completionCommand } from "./commands/completion.ts";
import { contractCommand, tierCommand } from "./commands/contract.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { fabricCommand } from "./commands/fabric.ts";
import { policyCommand } from "./commands/policy.ts";
import { insightCommand } from "./commands/insight.ts";
import { gateCommand } from "./commands/gate.ts";
import { loginCommand, logoutCommand, whoamiCommand } from "./commands/login.ts";
import { monitorCommand } from "./commands/monitor.ts";

/** `drawbridge <noun> <verb>`. */
export function createProgram(
  world: CommandWorld,
  { version, format }: { readonly version: string; readonly format: "table" | "json" },
): Command {
  const program = new Command("drawbridge")
    .description("Run apps and API gateways in clusters you cannot reach into.")
    .version(version)
    .configureOutput({
      writeOut: (text) => void world.stdout.write(text),
      // In JSON whoever runs the program says what is wrong, once.
      writeErr: (text) => void (format === "table" && world.stderr.write(text)),
    })
    .showSuggestionAfterError()
    .showHelpAfterError("(--help shows what can be said here)")
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 1 failure, 2 usage, 3 not logged in, 4 not allowed, 5 control plane unreachable, 6 not found, 7 conflict, 8 roll-out failed, 9 --wait timed out",
    );
  const commands = [
    loginCommand(world),
    logoutCommand(world),
    whoamiCommand(world),
    fabricCommand(world),
    bundleCommand(world),
    appCommand(world),
    gateCommand(world),
    apiCommand(world),
    policyCommand(world),
    clientCommand(world),
    tierCommand(world),
    contractCommand(world),
    analyticsCommand(world),
    insightCommand(world),
    monitorCommand(world),
    alertCommand(world),
    certCommand(world),
    caCommand(world),
    ...administrationCommands(world),
    doctorCommand(world),
    completionCommand(world),
  ];
  for (const command of commands) {
    command.copyInheritedSettings(program);
    program.addCommand(command);
  }
  exitOverrideAll(program);
  return program;
}

/** Commander exits the process on usage errors unless every command is told to throw instead. */
function exitOverrideAll(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) exitOverrideAll(child.copyInheritedSettings(command));
}
