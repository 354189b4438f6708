import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

const mostFiles = 32;
const mostBytes = 8 * 1024 * 1024;

/** Keep a batch that the server will never take, for whoever looks for the reason; the oldest go. Never fails. */
export async function keepRejected(
  directory: string,
  name: { readonly epoch: number; readonly sequence: number },
  bytes: Uint8Array,
): Promise<void> {
  const folder = join(directory, "rejected");
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = `${String(name.epoch).padStart(12, "0")}-${String(name.sequence).padStart(12, "0")}.zst`;
    await writeFile(join(folder, file), bytes, { mode: 0o600 });
    const names = (await readdir(folder)).toSorted().toReversed();
    let total = 0;
    for (const [index, each] of names.entries()) {
      total += (await stat(join(folder, each))).size;
      if (index >= mostFiles || total > mostBytes) await rm(join(folder, each), { force: true });
    }
  } catch {
    // a disk without room: it is counted all the same
  }
}
