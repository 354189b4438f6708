import { homedir } from "node:os";
import { join } from "node:path";
import { silentProgress, type LocalProgress } from "../local-progress.ts";
import { runCommand } from "../run-command.ts";
import { isAtLeast, parseVersion } from "../version.ts";
import { builtBinaryPath, installFromSystemPackage, installWithGo, packagedBinaryPath } from "./install-nats.ts";
import { binaryVersion, natsMissing, oldestNatsVersion, type NatsServer } from "./nats-server.ts";

export interface FindNatsServerOptions {
  /** Of a server that runs already; nothing else is looked for then. */
  readonly url?: string;
  /** Default ~/.cache/drawbridge. */
  readonly cacheDir?: string;
  readonly progress?: LocalProgress;
}

type Found = NatsServer | { readonly kind: "none"; readonly reason: string };

/**
 * Find a NATS server of 2.10 or later: by URL, one that an earlier call built, one on the PATH, a Docker image that is already on
 * this machine (never pulled), a build with Go, the system's package.
 * @throws DrawbridgeError `LOCAL_NATS_MISSING` (failed_precondition) that says how to get one.
 */
export async function findNatsServer(options: FindNatsServerOptions = {}): Promise<NatsServer> {
  if (options.url !== undefined) return { kind: "url", url: options.url };
  const progress = options.progress ?? silentProgress;
  const cacheDir = options.cacheDir ?? join(homedir(), ".cache", "drawbridge");
  const ways: readonly (() => Promise<Found>)[] = [
    () => fromBinary(builtBinaryPath(cacheDir), "the cache"),
    () => fromBinary("nats-server", "the PATH"),
    fromDocker,
    () => fromInstall("Go", () => installWithGo(cacheDir, progress)),
    () => fromBinary(packagedBinaryPath(cacheDir), "the cache"),
    () => fromInstall("the system's package", () => installFromSystemPackage(cacheDir, progress)),
  ];
  const reasons = new Set<string>();
  for (const way of ways) {
    const found = await way();
    if (found.kind !== "none") return found;
    reasons.add(found.reason);
  }
  throw natsMissing([...reasons]);
}

async function fromBinary(command: string, foundBy: string): Promise<Found> {
  const version = await binaryVersion(command);
  if (version === undefined) return { kind: "none", reason: `there is no nats-server in ${foundBy}` };
  if (!isAtLeast(version, oldestNatsVersion)) {
    return { kind: "none", reason: `nats-server ${version} from ${foundBy} is older than ${oldestNatsVersion}` };
  }
  return { kind: "binary", command, version, foundBy };
}

async function fromInstall(foundBy: string, install: () => ReturnType<typeof installWithGo>): Promise<Found> {
  const result = await install();
  if (result.outcome === "impossible") return { kind: "none", reason: result.reason };
  return { kind: "binary", command: result.command, version: result.version, foundBy };
}

/** The newest image of a repository named `nats` that is on this machine. */
async function fromDocker(): Promise<Found> {
  const info = await runCommand("docker", ["info", "--format", "{{.ServerVersion}}"], { timeoutMs: 10_000 });
  if (info.outcome === "missing" || info.exitCode !== 0) return { kind: "none", reason: "Docker does not run here" };
  const list = await runCommand("docker", ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], {
    timeoutMs: 10_000,
  });
  const names = list.outcome === "exited" ? list.stdout.split("\n") : [];
  let newest: Extract<NatsServer, { kind: "docker" }> | undefined;
  for (const image of names.filter((name) => /(^|\/)nats:(?!<none>)/.test(name))) {
    const version = await imageVersion(image);
    if (version !== undefined && isAtLeast(version, newest?.version ?? oldestNatsVersion)) {
      newest = { kind: "docker", image, version };
    }
  }
  const reason = "Docker runs, but there is no image of nats on this machine (none is pulled unasked)";
  return newest ?? { kind: "none", reason };
}

async function imageVersion(image: string): Promise<string | undefined> {
  const args = ["run", "--rm", "--network=none", "--pull=never", "--entrypoint=nats-server", image, "--version"];
  const run = await runCommand("docker", args, { timeoutMs: 30_000 });
  return run.outcome === "exited" && run.exitCode === 0 ? parseVersion(run.stdout) : undefined;
}
