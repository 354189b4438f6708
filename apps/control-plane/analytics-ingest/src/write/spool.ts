import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BatchKey } from "../receive/queued-batch.ts";
import type { GapBlock, RequestBlock } from "./request-block.ts";
import type { RollUp } from "./roll-ups/roll-up.ts";
import { type RollUpName, rollUpNames } from "./roll-ups/roll-up-names.ts";

/** A batch that is in a file, whole. */
export interface SpooledBatch extends BatchKey {
  readonly rows: number;
}

/**
 * A block on its way into the store: `<base>.native` holds the rows. It is written last and removed first, so that a block is
 * there if that file is. Beside it, what its rows add up to, `<base>.<roll-up>.native`; `<base>.gaps.native`, if there were any; and
 * `<base>.batches.json` says what is in it.
 */
export interface SpoolName {
  readonly directory: string;
  /** `<UUIDv7>-<first>-<last place in the queue>-<beginning of the table's UUID>`; also the token of the insert. */
  readonly base: string;
}

const rowsEnding = ".native";
const gapsEnding = ".gaps.native";
const batchesEnding = ".batches.json";
const digitsOfTable = 8;
const rollUpEnding = (table: RollUpName): string => `.${table}.native`;
/** Of what may stand beside the rows. */
const otherEndings = [gapsEnding, batchesEnding, ...rollUpNames.map(rollUpEnding)];

export function spoolName(
  directory: string,
  of: { readonly id: string; readonly first: number; readonly last: number; readonly tableId: string },
): SpoolName {
  return { directory, base: `${of.id}-${of.first}-${of.last}-${of.tableId.slice(0, digitsOfTable)}` };
}

export const rowsPath = ({ directory, base }: SpoolName): string => join(directory, base + rowsEnding);
export const gapsPath = ({ directory, base }: SpoolName): string => join(directory, base + gapsEnding);
export const rollUpPath = ({ directory, base }: SpoolName, table: RollUpName): string =>
  join(directory, base + rollUpEnding(table));
const batchesPath = ({ directory, base }: SpoolName): string => join(directory, base + batchesEnding);

/** Whether the table that the block was made for is this one: only that one may know the block's token. */
export function isMadeFor({ base }: SpoolName, tableId: string): boolean {
  return base.endsWith(`-${tableId.slice(0, digitsOfTable)}`);
}

export async function writeSpoolFiles(
  name: SpoolName,
  block: {
    readonly requests: RequestBlock;
    readonly rollUp: RollUp;
    readonly gaps: GapBlock;
    readonly batches: readonly SpooledBatch[];
  },
): Promise<void> {
  // Whether it is on the disk matters only where the rows are, and their writing syncs the folder.
  await writeFile(batchesPath(name), JSON.stringify(block.batches.map(lineOf)), { mode: 0o600, flush: true });
  // None left, too, when an earlier attempt wrote them and failed later.
  if (block.gaps.rows > 0) await block.gaps.writeFile(gapsPath(name));
  if (block.requests.rows > 0) {
    block.rollUp.fill();
    for (const table of rollUpNames) await block.rollUp.blocks[table].writeFile(rollUpPath(name, table));
  }
  await block.requests.writeFile(rowsPath(name));
}

type Line = readonly [fabricId: string, gatewayId: string, epoch: string, sequence: string, rows: number];

function lineOf({ fabricId, gatewayId, epoch, sequence, rows }: SpooledBatch): Line {
  return [fabricId, gatewayId, String(epoch), String(sequence), rows];
}

export async function readSpooledBatches(name: SpoolName): Promise<readonly SpooledBatch[]> {
  // Written above.
  const lines = JSON.parse(await readFile(batchesPath(name), "utf8")) as readonly Line[];
  return lines.map(([fabricId, gatewayId, epoch, sequence, rows]) => ({
    fabricId,
    gatewayId,
    epoch: BigInt(epoch),
    sequence: BigInt(sequence),
    rows,
  }));
}

/** The rows' file first: what else there is of the block is nothing then. */
export async function removeSpoolFiles(name: SpoolName): Promise<void> {
  for (const ending of [rowsEnding, ...otherEndings])
    await rm(join(name.directory, name.base + ending), { force: true });
}

export async function hasGaps(name: SpoolName): Promise<boolean> {
  return (await stat(gapsPath(name)).catch(() => undefined)) !== undefined;
}

/** The blocks that a process left, oldest first; what belongs to none is removed. */
export async function openSpool(directory: string): Promise<readonly SpoolName[]> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const files = await readdir(directory);
  const isOther = (file: string): boolean => otherEndings.some((ending) => file.endsWith(ending));
  const bases = files.filter((file) => file.endsWith(rowsEnding) && !isOther(file));
  const names = bases.toSorted().map((file) => ({ directory, base: file.slice(0, -rowsEnding.length) }));
  const kept = new Set(names.flatMap(({ base }) => [rowsEnding, ...otherEndings].map((ending) => base + ending)));
  for (const file of files) if (!kept.has(file)) await rm(join(directory, file), { force: true });
  return names;
}
