import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Write a file that only its owner can read, atomically. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, text, { mode: 0o600, flush: true });
  await chmod(temporary, 0o600);
  await rename(temporary, path);
}

/** The secret in a file; made at the first call. @param make default: 32 random bytes, base64url. */
export async function secretFile(path: string, make = () => randomBytes(32).toString("base64url")): Promise<string> {
  if (!existsSync(path)) await writePrivateFile(path, make());
  return (await readFile(path, "utf8")).trim();
}
