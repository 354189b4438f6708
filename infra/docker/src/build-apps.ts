// node infra/docker/src/build-apps.ts <out> [app...]: what the images hold, a folder per app. Our own packages become plain JavaScript
// in the folders that they have in the repository, because Node strips no types below node_modules; npm packages stay as published.
import { existsSync } from "node:fs";
import { cp, glob, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { rolldown } from "rolldown";
import { billOfMaterials } from "./bill-of-materials.ts";
import { copyPackages, productionPackages, type InstalledPackage } from "./production-packages.ts";

const root = resolve(import.meta.dirname, "../../..");
const [out, ...named] = process.argv.slice(2);
if (out === undefined || named.some((app) => !existsSync(join(root, app, "package.json")))) {
  console.error("usage: node infra/docker/src/build-apps.ts <folder to write> [app, for example apps/fabric/agent]...");
  process.exit(2);
}

/** Programs of an app: its process, its jobs, and those that it starts itself. */
const programs = [
  "src/main.ts",
  "src/migrate.ts",
  "src/restore.ts",
  "src/bootstrap.ts",
  "src/audit-verify.ts",
  "src/rewrap.ts",
  "src/signing/signing-worker.ts",
  "src/shim/main.ts",
  "src/front/main.ts",
  "src/worker/main.ts",
  "src/analytics/exporter-main.ts",
  "src/insight/insight-main.ts",
  "src/worker/policy/module-thread.ts",
  "src/embedded/columnar-engine.ts",
  "src/write/block-thread.ts",
];

/** Apps and packages whose programs another one starts, in its own image. */
const companions: Readonly<Record<string, readonly string[]>> = {
  "apps/fabric/agent": ["apps/fabric/gatekeeper-proxy"],
  "apps/control-plane/analytics-ingest": ["packages/columnar"],
  "apps/control-plane/monitoring-ingest": ["packages/columnar"],
};

for (const app of named.length > 0 ? named : await everyApp()) await buildApp(app, join(out, app));

async function everyApp(): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const file of glob("apps/*/*/package.json", { cwd: root })) found.push(join(file, ".."));
  return found.toSorted();
}

async function buildApp(app: string, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await buildCode(app, folder);
  for await (const migrations of glob(`${app}/migrations*`, { cwd: root }))
    await cp(join(root, migrations), join(folder, migrations), { recursive: true });
  const packages = await packagesOf([app, ...(companions[app] ?? [])]);
  await copyPackages(packages, root, folder);
  const manifest = JSON.parse(await readFile(join(root, app, "package.json"), "utf8")) as Manifest;
  await writeFile(join(folder, "sbom.cdx.json"), `${JSON.stringify(billOfMaterials(manifest, packages), null, 1)}\n`);
  console.log(`${app} is built, with ${packages.length} npm packages`);
}

async function packagesOf(apps: readonly string[]): Promise<readonly InstalledPackage[]> {
  const found = new Map<string, InstalledPackage>();
  for (const app of apps) {
    for (const each of await productionPackages(join(root, app), root)) {
      if (each.direct || !found.has(each.folder)) found.set(each.folder, each);
    }
  }
  return [...found.values()];
}

interface Manifest {
  readonly name: string;
  readonly version: string;
}

async function buildCode(app: string, folder: string): Promise<void> {
  const input = [app, ...(companions[app] ?? [])]
    .flatMap((each) => programs.map((program) => join(root, each, program)))
    .filter((program) => existsSync(program));
  const build = await rolldown({
    input,
    platform: "node",
    cwd: root,
    external: (id) => /^[a-z@]/.test(id) && !id.startsWith("@drawbridge/"),
  });
  await build.write({
    dir: folder,
    format: "esm",
    preserveModules: true,
    preserveModulesRoot: root,
    entryFileNames: "[name].js",
    sourcemap: true,
  });
  await build.close();
  await writeFile(join(folder, "package.json"), `${JSON.stringify({ private: true, type: "module" })}\n`);
}
