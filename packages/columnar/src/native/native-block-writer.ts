import { endianness } from "node:os";
import { DrawbridgeError } from "@drawbridge/errors";
import { ByteBuffer } from "./byte-buffer.ts";
import type { NativeColumn } from "./native-column.ts";
import { writeFileAtomically } from "./write-file-atomically.ts";

export type NativeColumns = Readonly<Record<string, NativeColumn>>;

/** A block under construction: append to each of `columns`, then write the file. */
export interface NativeBlockWriter<C extends NativeColumns> {
  readonly columns: C;
  /** Rows of the first column. */
  readonly rows: number;
  /** The block in ClickHouse's Native format, in pieces that are valid until the next append. */
  encode(): readonly Uint8Array[];
  /**
   * Write the block and forget its rows. When this resolves, the file is whole and on the disk; a crash before leaves at
   * most `<path>.tmp`. Nothing may be appended in the meantime: who wants to go on takes turns with two writers.
   */
  writeFile(path: string): Promise<{ readonly rows: number; readonly sizeBytes: number }>;
  /** Forget the rows, keep the memory. */
  clear(): void;
}

/**
 * Encoder for ClickHouse's Native format (https://clickhouse.com/docs/interfaces/formats/Native): one block, column by
 * column. The only way in which rows get into the columnar store.
 */
export function createNativeBlockWriter<C extends NativeColumns>(columns: C): NativeBlockWriter<C> {
  if (endianness() !== "LE") throw new Error("the Native format is little endian, this machine is not");
  const entries = Object.entries(columns);

  function rows(): number {
    return entries[0]?.[1].rows ?? 0;
  }

  function encode(): readonly Uint8Array[] {
    const count = rows();
    const uneven = entries.find(([, column]) => column.rows !== count);
    if (uneven !== undefined) throw unevenBlock(uneven[0], uneven[1].rows, count);
    const start = new ByteBuffer(16);
    start.appendVarint(entries.length);
    start.appendVarint(count);
    const pieces: Uint8Array[] = [start.view()];
    for (const [name, column] of entries) {
      const head = new ByteBuffer(128);
      head.appendString(name);
      head.appendString(column.type);
      pieces.push(head.view(), ...column.encode());
    }
    return pieces;
  }

  function clear(): void {
    for (const [, column] of entries) column.clear();
  }

  return {
    columns,
    get rows() {
      return rows();
    },
    encode,
    clear,
    async writeFile(path) {
      const written = { rows: rows(), sizeBytes: await writeFileAtomically(path, encode()) };
      clear();
      return written;
    },
  };
}

function unevenBlock(name: string, rows: number, expected: number): DrawbridgeError {
  return new DrawbridgeError({
    kind: "internal",
    code: "COLUMNAR_BLOCK_INVALID",
    message: `the column ${name} has ${String(rows)} rows, the first column ${String(expected)}`,
  });
}
