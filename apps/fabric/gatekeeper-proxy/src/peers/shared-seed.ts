import { createHash, randomFillSync } from "node:crypto";
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seedBytes } from "@drawbridge/policies";
import { openPeerFolder } from "./unix-peers.ts";

/**
 * The seed of the counters of all gateways that use this folder: the one that is there, else `proposal`, that of our own saved
 * counters, else a new one. Only one of gateways that start together makes it.
 */
export function openSharedSeed(directory: string, proposal: Uint8Array | undefined): Uint8Array {
  openPeerFolder(directory);
  const path = join(directory, "seed");
  const wasThere = existsSync(path);
  const known = readSeed(path);
  if (known !== undefined) return known;
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, proposal ?? randomFillSync(new Uint8Array(seedBytes)), { mode: 0o600 });
    // A file that is not whole is nobody's seed. Where there was none, one that is there now is another gateway's.
    if (wasThere && readSeed(path) === undefined) rmSync(path, { force: true });
    linkSync(temporary, path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  const seed = readSeed(path);
  if (seed === undefined) throw new Error(`${path} cannot be read`);
  return seed;
}

/** Tells seeds apart without telling them. */
export function seedCheck(seed: Uint8Array): string {
  return createHash("sha256").update("drawbridge counters").update(seed).digest("hex").slice(0, 16);
}

function readSeed(path: string): Uint8Array | undefined {
  try {
    const seed = Uint8Array.from(readFileSync(path));
    return seed.length === seedBytes ? seed : undefined;
  } catch {
    return undefined; // none yet
  }
}
