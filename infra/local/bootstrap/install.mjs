// Runs on whatever Node (>= 20) the machine has, before anything is installed: no imports but Node's own.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
/** The pinned Node, brought by the npm package `node`. */
export const node = join(root, "node_modules/node/bin/node");
const stampFile = join(root, "node_modules/.drawbridge-installed");
const oldestNode = 20;

/** Environment in which our own Node comes first. Our programs keep what they compiled: they start in half the time. */
export const environment = {
  NODE_COMPILE_CACHE: join(root, "node_modules/.cache/compile"),
  ...process.env,
  PATH: `${dirname(node)}:${join(root, "node_modules/.bin")}:${process.env.PATH}`,
};

/** Install everything that package.json and pnpm-lock.yaml pin, unless that is done already; then generate the contracts. */
export function install() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < oldestNode) {
    fail(`Node ${process.versions.node} is too old to start the installation; install Node ${oldestNode} or newer.`);
  }
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  if (!isInstalled()) {
    console.log(`Installing with ${packageManager} (the first time takes a minute or two) ...`);
    run("npx", ["-y", packageManager, "install", "--frozen-lockfile", "--reporter=append-only"], process.env);
    writeFileSync(stampFile, fingerprint());
  }
  run(join(root, "node_modules/.bin/turbo"), ["run", "generate", "--output-logs=errors-only", "--log-order=grouped"], {
    ...environment,
    TURBO_TELEMETRY_DISABLED: "1",
    TURBO_PRINT_VERSION_DISABLED: "1",
  });
}

/** Run one of our TypeScript programs with the pinned Node; ends this process with its exit code. */
export function runProgram(path, args, options = {}) {
  const result = spawnSync(node, [join(root, path), ...args], {
    stdio: "inherit",
    env: { ...environment, ...options.env },
    cwd: options.cwd ?? process.cwd(),
  });
  if (result.error) fail(`${path} could not be started: ${result.error.message}`);
  process.exit(result.status ?? 1);
}

/** Run a command; a failure ends this process with its output. */
export function run(command, args, env) {
  const result = spawnSync(command, args, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
  if (result.error) fail(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0)
    fail(`"${command} ${args.join(" ")}" failed with exit code ${result.status}; its output is above.`);
}

function isInstalled() {
  return existsSync(node) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === fingerprint();
}

function fingerprint() {
  const hash = createHash("sha256");
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json"])
    hash.update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

function fail(message) {
  console.error(`drawbridge: ${message}`);
  process.exit(1);
}
