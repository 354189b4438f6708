import { join } from "node:path";
import { createJsonFile } from "../state/json-file.ts";
import { readdirIfPresent } from "../state/atomic-file.ts";
import { ledgerFileSchema, type LedgerEntry } from "../egress/ledger-file.ts";
import { createCommandContext, type CommandWorld, type CommonOptions } from "./command-context.ts";
import { exitCode } from "./exit-code.ts";
import { formatTable } from "./table.ts";

export interface EgressCommandOptions extends CommonOptions {
  readonly output: "table" | "json";
  readonly days: number;
}

interface DayEntry extends LedgerEntry {
  readonly day: string;
}

/** `drawbridge-agent egress`: what left this fabric, without asking anybody. */
export async function egressCommand(world: CommandWorld, options: EgressCommandOptions): Promise<number> {
  const { layout, clock, logger } = createCommandContext(world, options);
  const oldest = new Date(clock.now().getTime() - (options.days - 1) * 86_400_000).toISOString().slice(0, 10);
  const entries: DayEntry[] = [];
  for (const name of (await readdirIfPresent(layout.egress)).toSorted()) {
    if (!/^\d{4}-\d{2}-\d{2}\.[a-z]+\.json$/.test(name) || name.slice(0, 10) < oldest) continue;
    const file = await createJsonFile({
      path: join(layout.egress, name),
      schema: ledgerFileSchema,
      clock,
      logger,
    }).read();
    for (const entry of file?.entries ?? []) entries.push({ ...entry, day: file?.day ?? "" });
  }
  if (options.output === "json") world.out(`${JSON.stringify({ entries }, undefined, 2)}\n`);
  else world.out(entries.length === 0 ? "Nothing has left this fabric.\n" : tableOf(entries));
  return exitCode.ok;
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
