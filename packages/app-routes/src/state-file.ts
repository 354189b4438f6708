import { closeSync, openSync, readFileSync, renameSync, statSync, unlinkSync, writeFileSync, writeSync } from "node:fs";

const blockBytes = 1_024;

/**
 * Replace a small JSON file (mode 0600) atomically, so that a reader sees the old or the new one. On a full disk the old
 * file's own blocks are overwritten instead; for that files are padded with spaces to whole kilobytes. A reader that meets
 * such a half-written file keeps what it read before.
 *
 * @throws the system's error, with `code` ENOSPC where not even that was possible.
 */
export function writeStateFile(path: string, value: unknown): void {
  const text = JSON.stringify(value);
  const length = Buffer.byteLength(text);
  const padded = text + " ".repeat(Math.ceil((length + 1) / blockBytes) * blockBytes - length - 1) + "\n";
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, padded, { mode: 0o600 });
    renameSync(temporary, path);
  } catch (error) {
    removeIfThere(temporary);
    if (!isDiskFull(error) || !overwriteInPlace(path, padded)) throw error;
  }
}

/** The file's JSON; `undefined` if there is none or it cannot be read as JSON. */
export function readStateFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** ENOSPC: no space; EDQUOT: over quota. */
export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function overwriteInPlace(path: string, text: string): boolean {
  try {
    const size = statSync(path).size;
    if (size < Buffer.byteLength(text)) return false;
    const descriptor = openSync(path, "r+");
    try {
      writeSync(descriptor, text.padEnd(text.length + size - Buffer.byteLength(text)), 0);
    } finally {
      closeSync(descriptor);
    }
    return true;
  } catch {
    return false; // no file to overwrite, or no space even for that
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // not created, or gone: nothing to clean up
  }
}
