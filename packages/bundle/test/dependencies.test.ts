import { spawnSync } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { inspectBundle, packBundle, unpackBundle } from "../src/index.ts";
import { inPieces, manifestText, temporaryDirectory } from "./tar-builder.ts";

interface Package {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** An app and its packages in the layout of pnpm: a store of real directories, and links to them wherever they are needed. */
async function installLikePnpm(workspace: string, app: Package, packages: readonly Package[]): Promise<string> {
  const store = join(workspace, "node_modules/.pnpm");
  const home = (name: string, version: string) =>
    join(store, `${name.replace("/", "+")}@${version}`, "node_modules", name);
  async function linkNeeds(needs: Package, folder: string) {
    for (const [name, version] of Object.entries({
      ...needs.dependencies,
      ...needs.optionalDependencies,
      ...needs.peerDependencies,
    })) {
      if (!packages.some((candidate) => candidate.name === name && candidate.version === version)) continue;
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await symlink(relative(dirname(join(folder, name)), home(name, version)), join(folder, name));
    }
  }
  for (const each of packages) {
    const directory = home(each.name, each.version);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "package.json"), JSON.stringify({ ...each, main: "index.js" }));
    const names = Object.keys({ ...each.dependencies, ...each.peerDependencies });
    const calls = names.map((name) => `require("${name}").slice(0, 1)[0]`).join(", ");
    // Says who it is and whom it found.
    await writeFile(
      join(directory, "index.js"),
      `module.exports = ["${each.name}@${each.version}"]; module.exports.push(...[${calls}]);`,
    );
    await linkNeeds(each, directory.slice(0, -each.name.length - 1));
  }
  const directory = join(workspace, "apps", app.name);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "package.json"), JSON.stringify(app));
  await writeFile(join(directory, "drawbridge.yaml"), `${manifestText}bundle: { dependencies: true }\n`);
  await linkNeeds(app, join(directory, "node_modules"));
  return directory;
}

async function pack(directory: string) {
  let bytes: Buffer = Buffer.alloc(0);
  const packed = await packBundle({
    directory,
    write: async (archive) => {
      bytes = await buffer(archive);
    },
  });
  return { ...packed, bytes };
}

const app: Package = {
  name: "app",
  version: "1.0.0",
  dependencies: { a: "1.0.0", b: "1.0.0", "@s/c": "1.0.0" },
  optionalDependencies: { missing: "1.0.0" },
};
const packages: readonly Package[] = [
  { name: "a", version: "1.0.0", dependencies: { shared: "1.0.0", a2: "1.0.0" } },
  { name: "a2", version: "1.0.0", dependencies: { a: "1.0.0" } },
  { name: "b", version: "1.0.0", dependencies: { shared: "2.0.0", deep: "1.0.0" } },
  { name: "deep", version: "1.0.0", dependencies: { shared: "2.0.0" } },
  { name: "@s/c", version: "1.0.0", peerDependencies: { b: "1.0.0" } },
  { name: "shared", version: "1.0.0" },
  { name: "shared", version: "2.0.0" },
];

test("collects the production dependencies through the links of a pnpm store, each package with the versions it had", async () => {
  await using folder = await temporaryDirectory();
  const directory = await installLikePnpm(folder.path, app, packages);
  const packed = await pack(directory);
  await unpackBundle({
    source: inPieces(packed.bytes),
    directory: join(folder.path, "out"),
    expectedDigest: packed.digest,
  });
  const script = `const p = require("path"); const at = (...n) => n.reduce((from, name) => require("module").createRequire(p.join(from, "x.js")).resolve(name).replace(/index.js$/, ""), process.cwd());
    console.log(JSON.stringify([["a"], ["b"], ["@s/c"], ["a", "shared"], ["b", "shared"], ["b", "deep", "shared"], ["a", "a2", "a"]].map((chain) => require(at(...chain))[0])))`;
  const run = spawnSync(process.execPath, ["-e", script], { cwd: join(folder.path, "out"), encoding: "utf8" });
  expect(JSON.parse(run.stdout || run.stderr)).toEqual([
    "a@1.0.0",
    "b@1.0.0",
    "@s/c@1.0.0",
    "shared@1.0.0",
    "shared@2.0.0",
    "shared@2.0.0",
    "a@1.0.0",
  ]);
});

test("gives the same digest for the same packages in another workspace", async () => {
  await using one = await temporaryDirectory();
  await using two = await temporaryDirectory();
  const first = await pack(await installLikePnpm(one.path, app, packages));
  const second = await pack(await installLikePnpm(two.path, app, packages.toReversed()));
  expect(second.digest).toBe(first.digest);
});

test("takes no link and nothing of the workspace besides the packages", async () => {
  await using folder = await temporaryDirectory();
  const { bytes } = await pack(await installLikePnpm(folder.path, app, packages));
  const { entries } = await inspectBundle(inPieces(bytes));
  expect(entries.map((entry) => entry.type)).toEqual(entries.map(() => "file"));
  expect(entries.map((entry) => entry.path).filter((path) => path.endsWith("index.js"))).toEqual([
    "node_modules/@s/c/index.js",
    "node_modules/a/index.js",
    "node_modules/a2/index.js",
    "node_modules/b/index.js",
    "node_modules/b/node_modules/shared/index.js",
    "node_modules/deep/index.js",
    "node_modules/deep/node_modules/shared/index.js",
    "node_modules/shared/index.js",
  ]);
});

test.each<[string, Package, readonly Package[], RegExp]>([
  [
    "a dependency that is not installed",
    { ...app, dependencies: { gone: "1.0.0" } },
    [],
    /needs gone, which is not installed/,
  ],
  ["a name that is a path", { ...app, dependencies: { "../../etc": "1.0.0" } }, [], /no package name/],
  [
    "versions that need each other in a circle",
    { ...app, dependencies: { x: "1.0.0", y: "1.0.0" } },
    [
      { name: "x", version: "1.0.0", dependencies: { y: "2.0.0" } },
      { name: "y", version: "2.0.0", dependencies: { x: "2.0.0" } },
      { name: "x", version: "2.0.0", dependencies: { y: "1.0.0" } },
      { name: "y", version: "1.0.0", dependencies: { x: "1.0.0" } },
    ],
    /in a circle/,
  ],
])("refuses %s (BUNDLE_SOURCE_INVALID)", async (_what, of, installed, message) => {
  await using folder = await temporaryDirectory();
  const directory = await installLikePnpm(folder.path, of, installed);
  await expect(pack(directory)).rejects.toMatchObject({
    code: "BUNDLE_SOURCE_INVALID",
    message: expect.stringMatching(message) as string,
  });
});

test("points to the setting when links of node_modules leave the directory without it", async () => {
  await using folder = await temporaryDirectory();
  const directory = await installLikePnpm(folder.path, app, packages);
  await writeFile(join(directory, "drawbridge.yaml"), manifestText);
  await expect(pack(directory)).rejects.toMatchObject({
    message: expect.stringContaining("bundle: { dependencies: true }") as string,
  });
});
