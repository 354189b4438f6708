import { lstat, readdir, realpath } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { unpackable } from "./pack-error.ts";

/** One thing that goes into the archive. */
export type PackEntry =
  | {
      readonly type: "file";
      /** Path in the archive, with "/". */
      readonly path: string;
      /** Where its content is. */
      readonly source: string;
      readonly sizeBytes: number;
      readonly isExecutable: boolean;
    }
  | { readonly type: "symlink"; readonly path: string; readonly target: string };

export interface CollectOptions {
  /** The tree to collect. Nothing outside is read. */
  readonly root: string;
  /** Where it goes in the archive; empty for the root of the archive. */
  readonly prefix: string;
  readonly skip: (path: string, type: "file" | "directory") => boolean;
}

/** Files and links below `root`, in no particular order. Directories are implied by what they hold. */
export async function collectFiles(options: CollectOptions): Promise<readonly PackEntry[]> {
  const root = await realpath(options.root);
  const entries: PackEntry[] = [];

  async function visit(directory: string): Promise<void> {
    for (const child of await readdir(directory, { withFileTypes: true })) {
      const source = join(directory, child.name);
      const local = relative(root, source).split(sep).join("/");
      if (options.skip(local, child.isDirectory() ? "directory" : "file")) continue;
      const path = options.prefix === "" ? local : `${options.prefix}/${local}`;
      if (child.isDirectory()) await visit(source);
      else if (child.isFile()) entries.push(await fileEntry(path, source));
      else if (child.isSymbolicLink())
        entries.push({ type: "symlink", path, target: await linkTarget(root, source, path) });
      else throw unpackable(path, "is neither a file, a directory nor a link. Leave it out in .drawbridgeignore.");
    }
  }

  await visit(root);
  return entries;
}

async function fileEntry(path: string, source: string): Promise<PackEntry> {
  const { size, mode } = await lstat(source);
  return { type: "file", path, source, sizeBytes: size, isExecutable: (mode & 0o100) !== 0 };
}

/** The target relative to the link, after it was followed to its end and found inside. */
async function linkTarget(root: string, source: string, path: string): Promise<string> {
  const end = await realpath(source).catch(() => undefined); // ENOENT or ELOOP
  if (end === undefined)
    throw unpackable(path, "is a link to nothing. Remove it or leave it out in .drawbridgeignore.");
  if (end !== root && !end.startsWith(root + sep)) {
    const fromNodeModules = path.split("/").includes("node_modules");
    throw unpackable(
      path,
      fromNodeModules
        ? 'is a link out of the directory. Set "bundle: { dependencies: true }" in drawbridge.yaml to take dependencies in.'
        : "is a link out of the directory. Replace it with what it points to, or leave it out in .drawbridgeignore.",
    );
  }
  // Always relative and without detours: an absolute target, or one that leaves and comes back, would mean another place elsewhere.
  return relative(dirname(source), end).split(sep).join("/") || ".";
}
