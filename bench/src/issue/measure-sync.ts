import { open } from "node:fs/promises";
import { join } from "node:path";

const rounds = 50;
/** A page of PostgreSQL's write-ahead log. */
const pageBytes = 8192;

/** Milliseconds that one page takes to the disk of `directory`: what a commit cannot be faster than. */
export async function measureSyncMs(directory: string): Promise<number> {
  await using file = await open(join(directory, "sync-test"), "w", 0o600);
  const page = Buffer.alloc(pageBytes, 1);
  const startedMs = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    await file.write(page, 0, pageBytes, round * pageBytes);
    await file.datasync();
  }
  return (performance.now() - startedMs) / rounds;
}
