import { join } from "node:path";
import { gatewayEgressDirectory, listFolders } from "@drawbridge/app-routes";
import { ledgerFileSchema, type LedgerEntry } from "@drawbridge/egress";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import { readdirIfPresent } from "../state/atomic-file.ts";
import { createJsonFile } from "../state/json-file.ts";
import { fieldsOfType } from "./inspect-message.ts";

export interface DayEntry extends LedgerEntry {
  readonly day: string;
}

/** Gateways write sizes alone; what a batch may hold stands in the contracts. */
const batchShape = (): LedgerEntry["shape"] =>
  Object.fromEntries(
    fieldsOfType("drawbridge.analytics.v1.RequestBatch").map(({ path, dataClass }) => [path, dataClass]),
  );

/** What all programs of the fabric wrote down since a day; what several gateways sent of a kind to one peer is one entry. */
export async function readLedgers(about: {
  readonly directory: string;
  /** That all gateways share. */
  readonly gateways: string;
  readonly oldestDay: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): Promise<readonly DayEntry[]> {
  const own = listFolders(join(about.gateways, "own")).map((id) => gatewayEgressDirectory(about.gateways, id));
  const folders = [about.directory, gatewayEgressDirectory(about.gateways, "gateway-0"), ...own];
  const entries = new Map<string, DayEntry>();
  for (const folder of folders) {
    for (const name of (await readdirIfPresent(folder)).toSorted()) {
      if (!/^\d{4}-\d{2}-\d{2}\.[a-z]+\.json$/.test(name) || name.slice(0, 10) < about.oldestDay) continue;
      const file = await createJsonFile({ path: join(folder, name), schema: ledgerFileSchema, ...about }).read();
      for (const entry of file?.entries ?? []) {
        const shape = file?.writer === "gateway" ? batchShape() : entry.shape;
        const key = [file?.day, file?.writer, entry.peer, entry.messageType].join("\n");
        entries.set(key, together(entries.get(key), { ...entry, shape, day: file?.day ?? "" }));
      }
    }
  }
  return [...entries.values()].toSorted((left, right) => left.day.localeCompare(right.day));
}

function together(one: DayEntry | undefined, other: DayEntry): DayEntry {
  if (one === undefined) return other;
  return {
    ...other,
    messages: one.messages + other.messages,
    bytes: one.bytes + other.bytes,
    firstAt: one.firstAt < other.firstAt ? one.firstAt : other.firstAt,
    lastAt: one.lastAt > other.lastAt ? one.lastAt : other.lastAt,
    shape: { ...one.shape, ...other.shape },
  };
}
