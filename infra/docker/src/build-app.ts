// node infra/docker/src/build-app.ts <app> <out>: what an image holds. Our own packages become plain JavaScript in the folders that
// they have in the repository, because Node strips no types below node_modules; npm packages stay as they were published.
import { spawnSync } from "node:child_process";
import { cp, glob, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { rolldown } from "rolldown";

const root = resolve(import.meta.dirname, "../../..");
const [app, out] = process.argv.slice(2);
if (app === undefined || out === undefined || !existsSync(join(root, app, "package.json"))) {
  console.error(
    "usage: node infra/docker/src/build-app.ts <app's folder, for example apps/fabric/agent> <folder to write>",
  );
  process.exit(2);
}

/** Programs of an app: its process, its jobs, and those that it starts itself. */
const programs = [
  "src/main.ts",
  "src/migrate.ts",
  "src/bootstrap.ts",
  "src/audit-verify.ts",
  "src/shim/main.ts",
  "src/front/main.ts",
];

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await buildCode(app, out);
if (existsSync(join(root, app, "migrations")))
  await cp(join(root, app, "migrations"), join(out, app, "migrations"), { recursive: true });
await installDependencies(app, out);
console.log(`${app} is built in ${out}`);

async function buildCode(app: string, out: string): Promise<void> {
  const input = programs.map((program) => join(root, app, program)).filter((program) => existsSync(program));
  const build = await rolldown({
    input,
    platform: "node",
    cwd: root,
    external: (id) => /^[a-z@]/.test(id) && !id.startsWith("@drawbridge/"),
  });
  await build.write({
    dir: out,
    format: "esm",
    preserveModules: true,
    preserveModulesRoot: root,
    entryFileNames: "[name].js",
    sourcemap: true,
  });
  await build.close();
  await writeFile(join(out, "package.json"), `${JSON.stringify({ private: true, type: "module" })}\n`);
}

/** The production dependencies of the app and of every package of ours that it uses, flat, from the lock file. */
async function installDependencies(app: string, out: string): Promise<void> {
  const { name } = JSON.parse(await readFile(join(root, app, "package.json"), "utf8")) as { name: string };
  const { packageManager } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    packageManager: string;
  };
  const staging = join(out, ".staging");
  const deployed = spawnSync(
    "npx",
    [
      "-y",
      packageManager,
      "--filter",
      name,
      "deploy",
      "--prod",
      "--legacy",
      "--config.node-linker=hoisted",
      resolve(staging),
    ],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
  );
  if (deployed.status !== 0) process.exit(deployed.status ?? 1);
  await rm(join(staging, "node_modules/@drawbridge"), { recursive: true, force: true });
  await cp(join(staging, "node_modules"), join(out, "node_modules"), { recursive: true, verbatimSymlinks: true });
  await rm(staging, { recursive: true, force: true });
  for await (const leftover of glob("node_modules/.{bin,pnpm,modules.yaml,pnpm-workspace-state*.json}", { cwd: out })) {
    await rm(join(out, leftover), { recursive: true, force: true });
  }
  console.log(`dependencies of ${relative(root, join(root, app))} are installed`);
}
