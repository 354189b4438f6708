import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Segment } from "./segment.ts";

const mostDamaged = 4;

/** Keep it for whoever wants to know what happened to it; the oldest of several goes. */
export async function setAside(segment: Pick<Segment, "path">, directory: string): Promise<void> {
  const folder = folderIn(directory);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await rename(segment.path, join(folder, basename(segment.path)));
  const names = (await readdir(folder)).toSorted();
  for (const name of names.slice(0, -mostDamaged)) await rm(join(folder, name), { force: true });
}

export async function countDamaged(directory: string): Promise<number> {
  const names = await readdir(folderIn(directory)).catch(() => []); // none was ever set aside
  return names.length;
}

function folderIn(directory: string): string {
  return join(directory, "damaged");
}
