import { statSync } from "node:fs";

/**
 * Reads a state file only when it is another than the last time: large ones are looked at twice a second, and change once a
 * day. Same file, same value.
 */
export function rememberFile<T>(path: string, read: (path: string) => T | undefined): () => T | undefined {
  let seen: string | undefined;
  let value: T | undefined;
  return () => {
    const stamp = stampOf(path); // before it is read: what changes meanwhile is another file the next time
    if (stamp !== undefined && stamp === seen) return value;
    value = read(path);
    seen = value === undefined ? undefined : stamp;
    return value;
  };
}

/** Files are replaced as a whole; on a full disk they are overwritten, which the time tells. `undefined`: none to be had. */
function stampOf(path: string): string | undefined {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join();
  } catch {
    return undefined;
  }
}
