import { existsSync } from "node:fs";
import { cp, mkdir, readFile, realpath, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

/** An npm package as pnpm has installed it, from the lock file. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly license: string | undefined;
  /** Its real folder, below node_modules/.pnpm. */
  readonly folder: string;
  readonly uses: ReadonlyMap<string, string>;
  /** Imported by our own code, and so linked at the top. */
  readonly direct: boolean;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/**
 * What the app needs while it runs: dependencies of its own and of the packages of ours that it uses, and theirs in turn; no
 * devDependencies. Exactly the versions of the lock file, because it is read from what is installed.
 */
export async function productionPackages(appFolder: string, root: string): Promise<readonly InstalledPackage[]> {
  const direct = await directPackages(appFolder, root);
  const found = new Map<string, InstalledPackage>();
  const waiting = [...direct];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    if (found.has(folder)) continue;
    const manifest = await readManifest(folder);
    const uses = await usesOf(manifest, folder);
    found.set(folder, {
      name: manifest.name,
      version: manifest.version,
      license: typeof manifest.license === "string" ? manifest.license : undefined,
      folder,
      uses,
      direct: direct.has(folder),
    });
    waiting.push(...uses.values());
  }
  return [...found.values()].toSorted((a, b) => a.folder.localeCompare(b.folder));
}

/** Copies with pnpm's own layout: a package sees what it names as its dependencies, and nothing else. */
export async function copyPackages(packages: readonly InstalledPackage[], root: string, out: string): Promise<void> {
  const placed = (folder: string): string => join(out, relative(root, folder));
  for (const each of packages) {
    await cp(each.folder, placed(each.folder), { recursive: true, verbatimSymlinks: true, filter: isNeededToRun });
    const siblings = siblingsOf(each.name, placed(each.folder));
    for (const [name, folder] of each.uses) await link(placed(folder), join(siblings, name));
    if (each.direct) await link(placed(each.folder), join(out, "node_modules", each.name));
  }
}

/** Half of the files of npm packages are for compilers and debuggers. */
function isNeededToRun(path: string): boolean {
  return !/\.(map|[cm]?ts)$/.test(path);
}

async function directPackages(appFolder: string, root: string): Promise<ReadonlySet<string>> {
  const direct = new Map<string, string>();
  const ours = new Set<string>([appFolder]);
  for (const folder of ours) {
    const { dependencies = {} } = await readManifest(folder);
    for (const name of Object.keys(dependencies)) {
      const real = await realpath(join(folder, "node_modules", name));
      if (relative(root, real).startsWith("node_modules/")) {
        if ((direct.get(name) ?? real) !== real) throw new Error(`our packages use two versions of ${name}`);
        direct.set(name, real);
      } else {
        ours.add(real);
      }
    }
  }
  return new Set(direct.values());
}

/** Optional and peer dependencies count where they are installed. */
async function usesOf(manifest: Manifest, folder: string): Promise<ReadonlyMap<string, string>> {
  const uses = new Map<string, string>();
  const names = { ...manifest.peerDependencies, ...manifest.optionalDependencies, ...manifest.dependencies };
  for (const name of Object.keys(names)) {
    if (existsSync(join(folder, "node_modules", name))) continue; // brought inside the package
    const sibling = join(siblingsOf(manifest.name, folder), name);
    if (existsSync(sibling)) uses.set(name, await realpath(sibling));
    else if (manifest.dependencies?.[name] !== undefined && manifest.optionalDependencies?.[name] === undefined)
      throw new Error(`${manifest.name} needs ${name}, which is not installed`);
  }
  return uses;
}

/** The node_modules that a package of this name lies in: one level up, two for a name with a scope. */
function siblingsOf(name: string, folder: string): string {
  return name.split("/").reduce((path) => dirname(path), folder);
}

async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  if (!existsSync(path)) await symlink(relative(dirname(path), target), path);
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Manifest; // npm's documented format
}
