/**
 * `node build-images.ts` builds the images of PostgreSQL and NATS for testcontainers from the packages of the machine's own
 * distribution and the NATS server that is found here, so that nothing is pulled from an image registry. Needs root, debootstrap
 * and a running Docker.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { findNatsServer } from "../nats/find-nats-server.ts";
import { runCommand } from "../run-command.ts";
import { findAptSource, type AptSource } from "./apt-source.ts";

const images = { base: "drawbridge-test/base", postgres: "drawbridge-test/postgres", nats: "drawbridge-test/nats" };
const packages = ["postgresql"];
const dataDirs = { postgres: "/var/lib/postgresql/test", nats: "/data" };

/** Follows the official image as far as testkit needs: POSTGRES_USER, POSTGRES_PASSWORD, port 5432. Runs as `postgres`. */
const postgresEntryPoint = `#!/bin/sh
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
data=${dataDirs.postgres}
if [ ! -s "$data/PG_VERSION" ]; then
  umask 077
  printf '%s\\n' "$POSTGRES_PASSWORD" > /tmp/password
  "$bin/initdb" -D "$data" --username="$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
fi
exec "$bin/postgres" -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp -c max_connections=300 -c timezone=UTC
`;

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) throw failed("building the test images needs root: debootstrap makes device files");
  const source = await machineSource();
  const nats = await findNatsServer();
  if (nats.kind !== "binary") throw failed("the image of NATS is made of a nats-server program, and none is here");
  const recipe = createHash("sha256")
    .update(JSON.stringify([source, packages, nats.version, dataDirs, postgresEntryPoint]))
    .digest("hex");
  if ((await recipeOf(images.base)) !== recipe) await buildBase({ source, natsServer: nats.command, recipe });
  await derive(
    images.postgres,
    ["--stop-signal=SIGINT"],
    ["USER postgres", "EXPOSE 5432", 'ENTRYPOINT ["/usr/local/bin/drawbridge-postgres"]'],
  );
  await derive(images.nats, [], ["USER nobody", "EXPOSE 4222", 'ENTRYPOINT ["/usr/sbin/nats-server"]']);
  say(`built ${images.postgres} and ${images.nats}`);
}

/** One root file system with everything; some minutes, so that it is made again only when its recipe changes. */
async function buildBase(of: { source: AptSource; natsServer: string; recipe: string }): Promise<void> {
  const { source, natsServer, recipe } = of;
  const work = await mkdtemp(join(tmpdir(), "drawbridge-images-"));
  try {
    const root = join(work, "root");
    say(`installing ${packages.join(" and ")} of ${source.suite} into a new root file system`);
    await installPackages(source, root);
    await prepareRoot(root);
    await copyFile(await programPath(natsServer), join(root, "usr", "sbin", "nats-server"));
    say("handing it to Docker");
    await importRoot(root, recipe);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const recipeLabel = "drawbridge.recipe";

async function recipeOf(image: string): Promise<string | undefined> {
  const format = `{{index .Config.Labels "${recipeLabel}"}}`;
  const result = await runCommand("docker", ["image", "inspect", "--format", format, image]);
  return result.outcome === "exited" && result.exitCode === 0 ? result.stdout.trim() : undefined;
}

/** A name is looked for on the PATH. */
async function programPath(command: string): Promise<string> {
  return command.includes("/") ? command : (await required("which", [command])).trim();
}

async function machineSource(): Promise<AptSource> {
  const release = await readFile("/etc/os-release", "utf8");
  const codename = /^VERSION_CODENAME=(\S+)$/m.exec(release)?.[1] ?? "";
  const folder = "/etc/apt/sources.list.d";
  const names = await readdir(folder).catch(() => []);
  const paths = ["/etc/apt/sources.list", ...names.map((name) => join(folder, name))];
  const texts = await Promise.all(paths.map((path) => readFile(path, "utf8").catch(() => "")));
  const source = findAptSource(texts, codename);
  if (source === undefined) throw failed(`apt has no source for the release "${codename}" of this machine`);
  return source;
}

async function installPackages(source: AptSource, root: string): Promise<void> {
  await required("debootstrap", [
    "--variant=minbase",
    `--include=${packages.join(",")}`,
    `--components=${source.components.join(",")}`,
    source.suite,
    root,
    source.uri,
  ]);
}

async function prepareRoot(root: string): Promise<void> {
  for (const path of ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"]) {
    await rm(join(root, path), { recursive: true, force: true });
  }
  const entryPoint = join(root, "usr", "local", "bin", "drawbridge-postgres");
  await writeFile(entryPoint, postgresEntryPoint);
  await chmod(entryPoint, 0o755);
  await mkdir(join(root, dataDirs.postgres), { recursive: true });
  await mkdir(join(root, dataDirs.nats), { recursive: true });
  await required("chroot", [root, "chown", "postgres:postgres", dataDirs.postgres]);
  await required("chroot", [root, "chmod", "0700", dataDirs.postgres]);
  await required("chroot", [root, "chown", "nobody:nogroup", dataDirs.nats]);
}

/** `tar | docker import`, without a copy on disk. */
async function importRoot(root: string, recipe: string): Promise<void> {
  const tar = spawn("tar", ["-C", root, "--numeric-owner", "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const load = spawn("docker", ["import", `--change=LABEL ${recipeLabel}=${recipe}`, "-", `${images.base}:latest`], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  const [packed, loaded] = [exitCode(tar), exitCode(load)];
  await pipeline(tar.stdout, load.stdin);
  if ((await packed) !== 0 || (await loaded) !== 0) throw failed("docker import failed");
}

function exitCode(child: ReturnType<typeof spawn>): Promise<number> {
  const done = Promise.withResolvers<number>();
  child.once("error", done.reject);
  child.once("close", (code) => done.resolve(code ?? 1));
  return done.promise;
}

/** An image that shares the base's only layer and differs in how it starts. */
async function derive(image: string, create: readonly string[], changes: readonly string[]): Promise<void> {
  const created = await required("docker", ["create", "--network=none", ...create, images.base, "/bin/true"]);
  const container = created.trim();
  await required("docker", ["commit", ...changes.map((change) => `--change=${change}`), container, `${image}:latest`]);
  await required("docker", ["rm", container]);
}

async function required(command: string, args: readonly string[]): Promise<string> {
  const result = await runCommand(command, args);
  if (result.outcome === "missing") throw failed(`${command} is not installed`);
  if (result.exitCode === 0) return result.stdout;
  const output = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-10).join("\n");
  throw failed(`${command} failed with exit code ${result.exitCode}:\n${output}`);
}

function failed(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "failed_precondition", code: "LOCAL_IMAGE_BUILD", message });
}

function say(message: string): void {
  process.stdout.write(`${message}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${isDrawbridgeError(error) ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
