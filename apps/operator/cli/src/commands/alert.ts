import { Command } from "commander";
import type { CommandWorld } from "../command-context.ts";
import { alertApplyCommand, alertCheckCommand, alertExportCommand } from "./alert-apply.ts";
import { alertHistoryCommand, alertListCommand } from "./alert-list.ts";
import { alertReceiversCommand, alertTestCommand } from "./alert-receivers.ts";
import { alertRulesCommand, alertShowCommand } from "./alert-rules.ts";
import { alertSilenceCommand, alertSilencesCommand, alertUnsilenceCommand } from "./alert-silences.ts";

const subcommands = [
  alertListCommand,
  alertHistoryCommand,
  alertRulesCommand,
  alertShowCommand,
  alertCheckCommand,
  alertApplyCommand,
  alertExportCommand,
  alertSilenceCommand,
  alertSilencesCommand,
  alertUnsilenceCommand,
  alertReceiversCommand,
  alertTestCommand,
];

/** What left its bounds, and who is told. */
export function alertCommand(world: CommandWorld): Command {
  const alert = new Command("alert").description(
    "figures of requests and apps that left their bounds, and who is told",
  );
  for (const command of subcommands) alert.addCommand(command(world));
  return alert;
}
