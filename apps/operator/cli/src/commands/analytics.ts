import { Command } from "commander";
import type { CommandWorld } from "../command-context.ts";
import { analyticsDeadLettersCommand } from "./analytics-dead-letters.ts";
import { analyticsExportCommand } from "./analytics-export.ts";
import { analyticsIntakeCommand } from "./analytics-intake.ts";
import { analyticsQueryCommand } from "./analytics-query.ts";
import { analyticsSettingsCommand } from "./analytics-settings.ts";
import { analyticsTailCommand } from "./analytics-tail.ts";
import { analyticsTopCommand } from "./analytics-top.ts";

const subcommands = [
  analyticsQueryCommand,
  analyticsTopCommand,
  analyticsTailCommand,
  analyticsExportCommand,
  analyticsIntakeCommand,
  analyticsDeadLettersCommand,
  analyticsSettingsCommand,
];

/** Requests of APIs, as gateways told them. */
export function analyticsCommand(world: CommandWorld): Command {
  const analytics = new Command("analytics").description("requests of APIs, as gateways told them");
  for (const command of subcommands) analytics.addCommand(command(world));
  return analytics;
}
