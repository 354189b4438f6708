import { gatewayDirectory } from "@drawbridge/app-routes";
import { readInsightAllowance, type InsightAllowance } from "../egress/insight-allowance.ts";
import { readLedgers, type DayEntry } from "../egress/read-ledgers.ts";
import { createCommandContext, type CommandWorld, type CommonOptions } from "./command-context.ts";
import { exitCode } from "./exit-code.ts";
import { formatTable } from "./table.ts";

export interface EgressCommandOptions extends CommonOptions {
  readonly output: "table" | "json";
  readonly days: number;
}

/** `drawbridge-agent egress`: what left this fabric, without asking anybody. */
export async function egressCommand(world: CommandWorld, options: EgressCommandOptions): Promise<number> {
  const { layout, clock, logger } = createCommandContext(world, options);
  const oldest = new Date(clock.now().getTime() - (options.days - 1) * 86_400_000).toISOString().slice(0, 10);
  const gateways = gatewayDirectory(layout.cluster);
  const entries = await readLedgers({ directory: layout.egress, gateways, oldestDay: oldest, clock, logger });
  const insight = await readInsightAllowance({ path: layout.insightAllowance, clock, logger });
  if (options.output === "json") world.out(`${JSON.stringify({ entries, insight }, undefined, 2)}\n`);
  else {
    world.out(entries.length === 0 ? "Nothing has left this fabric.\n" : tableOf(entries));
    world.out(sentenceOf(insight));
  }
  return exitCode.ok;
}

function sentenceOf(insight: InsightAllowance | undefined): string {
  if (insight === undefined) return "Exchanges are not captured: DRAWBRIDGE_ALLOW_INSIGHT is not set.\n";
  const where = insight.environments === undefined ? "all environments" : insight.environments.join(", ");
  return `Exchanges may be captured and sent, masked, since ${insight.since} in ${where} (DRAWBRIDGE_ALLOW_INSIGHT).\n`;
}

function tableOf(entries: readonly DayEntry[]): string {
  const rows = entries.map((entry) => [
    entry.day,
    entry.peer,
    entry.messageType,
    String(entry.messages),
    String(entry.bytes),
    [...new Set(Object.values(entry.shape))].toSorted().join(", "),
    entry.lastAt,
  ]);
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const table = formatTable([["DAY", "TO", "WHAT", "MESSAGES", "BYTES", "DATA CLASSES", "LAST"], ...rows]);
  return `${table}\n${total} bytes in all. Fields of every kind of message: drawbridge-agent egress -o json\n`;
}
