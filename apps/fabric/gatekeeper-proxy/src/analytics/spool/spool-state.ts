import { open, type FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { z } from "zod";
import { lossSchema } from "./gap-list.ts";

/** What of a spool is not in its segments. */
const stateSchema = z.object({
  generation: z.number().int(),
  /** Of the last batch that was named. */
  epoch: z.number().int(),
  sequence: z.number().int(),
  /** Requests and gaps of everything that was taken. */
  accounted: z.number().int(),
  /** The process that wrote it ended in order. */
  isClean: z.boolean(),
  /** Everything before was delivered or given up. */
  cursor: z.object({ segment: z.number().int(), offset: z.number().int(), settled: z.number().int() }),
  /** Requests that came from threads, lost ones too: the lowest 32 bits. */
  received: z.number().int().optional(),
  /** Lost, and in no batch yet, if the last batch is the one named above. */
  losses: z.array(lossSchema),
  /** Segments behind the cursor that were given up. */
  removed: z.array(z.number().int()),
  /** The last segment that there was, and what everything up to its end came to. */
  tail: z.object({ segment: z.number().int(), accounted: z.number().int() }).optional(),
});

export type SpoolState = Omit<z.output<typeof stateSchema>, "generation">;

const slotBytes = 4096;
const headBytes = 8;

/**
 * Two places in one file, written in turn: one of them is always whole, and a change needs no room on the disk.
 *
 * Invariant: `write` resolves when the state is on the disk.
 */
export class StateFile {
  readonly #file: FileHandle;
  #generation: number;

  private constructor(file: FileHandle, generation: number) {
    this.#file = file;
    this.#generation = generation;
  }

  static async open(path: string): Promise<{ readonly file: StateFile; readonly state: SpoolState | undefined }> {
    const handle = await open(path, "a+", 0o600).then(async (created) => {
      await created.close();
      return open(path, "r+");
    });
    try {
      const slots = [await readSlot(handle, 0), await readSlot(handle, 1)].filter((slot) => slot !== undefined);
      const [newest] = slots.toSorted((left, right) => right.generation - left.generation);
      const { size } = await handle.stat();
      if (size < 2 * slotBytes) await handle.write(Buffer.alloc(2 * slotBytes - size), 0, undefined, size);
      return { file: new StateFile(handle, newest?.generation ?? 0), state: newest };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async write(state: SpoolState): Promise<void> {
    const generation = this.#generation + 1;
    const text = Buffer.from(JSON.stringify({ generation, ...state }));
    if (text.length > slotBytes - headBytes) throw new RangeError("the spool's state has outgrown its place");
    const slot = Buffer.alloc(slotBytes);
    slot.writeUInt32LE(text.length, 0);
    slot.writeUInt32LE(crc32(text), 4);
    text.copy(slot, headBytes);
    await this.#file.write(slot, 0, slotBytes, (generation % 2) * slotBytes);
    await this.#file.datasync();
    this.#generation = generation;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function readSlot(file: FileHandle, index: number): Promise<z.output<typeof stateSchema> | undefined> {
  const slot = Buffer.alloc(slotBytes);
  await file.read(slot, 0, slotBytes, index * slotBytes);
  const length = slot.readUInt32LE(0);
  if (length === 0 || length > slotBytes - headBytes) return undefined;
  const text = slot.subarray(headBytes, headBytes + length);
  if (crc32(text) !== slot.readUInt32LE(4)) return undefined;
  const parsed = stateSchema.safeParse(JSON.parse(text.toString()));
  return parsed.success ? parsed.data : undefined;
}
