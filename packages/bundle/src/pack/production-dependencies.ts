import { readFile, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { unpackable } from "./pack-error.ts";

/** A package and its place in the archive. */
export interface PlacedPackage {
  /** For example "node_modules/a/node_modules/b". */
  readonly path: string;
  /** The real directory that holds it. */
  readonly source: string;
}

/** Packages nested deeper than this mean versions that need each other in a circle, which folders cannot express. */
const maxDepth = 24;
const maxPackages = 20_000;

const dependencyMap = z.record(z.string(), z.string()).default({});
const packageJsonSchema = z.object({
  dependencies: dependencyMap,
  optionalDependencies: dependencyMap,
  peerDependencies: dependencyMap,
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean().optional() })).default({}),
});

const packageNamePattern = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-zA-Z0-9~_-][a-zA-Z0-9._~-]*$/;

interface Dependency {
  readonly name: string;
  readonly need: "required" | "optional";
}

/**
 * The production dependencies of the package in `directory`, all the way down, as Node would resolve them from there (also through
 * the links of pnpm's store), each with a place in a plain node_modules: at the top where that is free, else below the package that needs it.
 * The same installed packages give the same places, in the same order.
 * @throws DrawbridgeError `BUNDLE_SOURCE_INVALID` (invalid_argument), for example for a dependency that is not installed.
 */
export async function placeProductionDependencies(directory: string): Promise<readonly PlacedPackage[]> {
  const root = await realpath(directory);
  /** Place -> real directory. */
  const placed = new Map<string, string>();
  const queue: PlacedPackage[] = [{ path: "", source: root }];

  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const dependency of await dependenciesOf(next)) {
      const source = await findInstalled(next.source, dependency.name);
      if (source === undefined) {
        if (dependency.need === "optional") continue;
        throw unpackable(
          next.path === "" ? "package.json" : next.path,
          `needs ${dependency.name}, which is not installed. Install the dependencies first.`,
        );
      }
      const place = findPlace(placed, next.path, dependency.name, source);
      if (place === undefined) continue;
      placed.set(place, source);
      if (placed.size > maxPackages) throw unpackable("package.json", `has more than ${maxPackages} dependencies`);
      queue.push({ path: place, source });
    }
  }
  return [...placed].map(([path, source]) => ({ path, source }));
}

/** Where to put a package for one that sits at `from`; undefined if Node would find that very package from there already. */
function findPlace(
  placed: ReadonlyMap<string, string>,
  from: string,
  name: string,
  source: string,
): string | undefined {
  for (const folder of foldersUpwards(from)) {
    const visible = placed.get(`${folder}node_modules/${name}`);
    if (visible === source) return undefined;
    if (visible === undefined) continue;
    // Another version is in sight. Only a folder of our own comes before it; nothing was placed there for anybody else.
    if (from.split("node_modules/").length > maxDepth) {
      throw unpackable(from, `and ${name} need different versions of each other in a circle. Align their versions.`);
    }
    return from === "" ? `node_modules/${name}` : `${from}/node_modules/${name}`;
  }
  return `node_modules/${name}`;
}

/** "a/b/" and so on for "a/node_modules/b": folders whose node_modules Node looks into, nearest first, the root ("") last. */
function* foldersUpwards(path: string): Generator<string> {
  for (
    let current = path;
    current !== "";
    current = current.slice(0, Math.max(0, current.lastIndexOf("node_modules/") - 1))
  ) {
    yield `${current}/`;
  }
  yield "";
}

async function dependenciesOf({ path, source }: PlacedPackage): Promise<readonly Dependency[]> {
  const label = path === "" ? "package.json" : `${path}/package.json`;
  const text = await readFile(join(source, "package.json"), "utf8").catch(() => undefined); // ENOENT
  if (text === undefined)
    throw unpackable(label, 'is missing, but "bundle: { dependencies: true }" takes the dependencies from it.');
  const parsed = packageJsonSchema.safeParse(parseJson(text));
  if (!parsed.success) throw unpackable(label, "is not a valid package.json.");
  const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = parsed.data;
  const needs = new Map<string, Dependency["need"]>();
  // Peers are what the installer linked for this package, so they come from beside it like any other dependency.
  for (const name of Object.keys(peerDependencies))
    needs.set(name, path === "" || peerDependenciesMeta[name]?.optional ? "optional" : "required");
  for (const name of Object.keys(dependencies)) needs.set(name, "required");
  for (const name of Object.keys(optionalDependencies)) needs.set(name, "optional");
  for (const name of needs.keys()) {
    if (!packageNamePattern.test(name))
      throw unpackable(label, `names a dependency "${name}", which is no package name.`);
  }
  return [...needs].map(([name, need]) => ({ name, need })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // fails the schema, with the name of the file
  }
}

/** The real directory of `name` as seen from `from`: the nearest node_modules upwards that has it. */
async function findInstalled(from: string, name: string): Promise<string | undefined> {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = await realpath(join(folder, "node_modules", name, "package.json")).catch(() => undefined); // ENOENT: look further up
    if (found !== undefined) return dirname(found);
    if (dirname(folder) === folder) return undefined;
  }
}
