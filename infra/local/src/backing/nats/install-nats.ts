import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { LocalProgress } from "../local-progress.ts";
import { runCommand } from "../run-command.ts";
import { isAtLeast, parseVersion } from "../version.ts";
import { binaryVersion, oldestNatsVersion, pinnedNatsVersion } from "./nats-server.ts";

/** What nats-server 2.15's go.mod asks for. */
const goMinimum = "1.26";
const buildTimeoutMs = 10 * 60_000;

export type Installed =
  | { readonly outcome: "installed"; readonly command: string; readonly version: string }
  | { readonly outcome: "impossible"; readonly reason: string };

/** A folder per way and version, so that a newer pin never meets an old binary. */
export function builtBinaryPath(cacheDir: string): string {
  return join(cacheDir, `nats-server-${pinnedNatsVersion}`, "nats-server");
}

export function packagedBinaryPath(cacheDir: string): string {
  return join(cacheDir, "nats-server-system", "nats-server");
}

/** Build the pinned version with the Go that is on the PATH; about a minute, once per user. */
export async function installWithGo(cacheDir: string, progress: LocalProgress): Promise<Installed> {
  const go = await runCommand("go", ["env", "GOVERSION"], { timeoutMs: 30_000 });
  if (go.outcome === "missing") return { outcome: "impossible", reason: "Go is not on the PATH" };
  const version = parseVersion(go.stdout) ?? "0.0";
  if (!isAtLeast(version, goMinimum)) {
    return {
      outcome: "impossible",
      reason: `Go ${version} is on the PATH; ${goMinimum} or later is needed to build NATS`,
    };
  }
  progress.progress(`building NATS ${pinnedNatsVersion} with Go ${version}; this takes about a minute, once`);
  return installInto(builtBinaryPath(cacheDir), async (folder) => {
    const result = await runCommand(
      "go",
      ["install", "-trimpath", `github.com/nats-io/nats-server/v2@v${pinnedNatsVersion}`],
      {
        cwd: folder,
        env: { GOBIN: folder, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "" },
        timeoutMs: buildTimeoutMs,
      },
    );
    if (result.outcome === "exited" && result.exitCode === 0) return { found: join(folder, "nats-server") };
    return { reason: `"go install" of NATS failed: ${lastLine(result.outcome === "exited" ? result.stderr : "")}` };
  });
}

/**
 * The system's package, unpacked into the cache instead of installed: the package would start a server of its own, on
 * NATS' standard port, and needs root.
 */
export async function installFromSystemPackage(cacheDir: string, progress: LocalProgress): Promise<Installed> {
  const isRoot = process.getuid?.() === 0;
  const probe = await runCommand("apt-get", ["--version"]);
  if (probe.outcome === "missing") return { outcome: "impossible", reason: "there is no apt-get here" };
  progress.progress("getting the system's package of NATS with apt-get");
  if (isRoot) await runCommand("apt-get", ["update", "-q"], { timeoutMs: buildTimeoutMs });
  return installInto(packagedBinaryPath(cacheDir), async (folder) => {
    // apt drops to its own user, who cannot write here: said as a warning, and done as root all the same.
    const download = await runCommand("apt-get", ["download", "-q", "nats-server"], {
      cwd: folder,
      timeoutMs: buildTimeoutMs,
    });
    const archive = (await readdir(folder)).find((name) => name.endsWith(".deb"));
    if (archive === undefined) {
      const text = download.outcome === "exited" ? download.stderr : "";
      return { reason: `apt-get has no package nats-server: ${lastLine(text)}` };
    }
    const unpacked = await runCommand("dpkg-deb", ["-x", join(folder, archive), folder]);
    const ok = unpacked.outcome === "exited" && unpacked.exitCode === 0;
    return ok
      ? { found: join(folder, "usr", "sbin", "nats-server") }
      : { reason: "dpkg-deb could not unpack the package" };
  });
}

async function installInto(
  target: string,
  build: (folder: string) => Promise<{ readonly found: string } | { readonly reason: string }>,
): Promise<Installed> {
  const parent = join(target, "..");
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, ".install-")); // renamed at the end: two starts at once both end well
  try {
    const result = await build(folder);
    if ("reason" in result) return { outcome: "impossible", reason: result.reason };
    const found = await firstFile([result.found, join(folder, "usr", "bin", "nats-server")]);
    const version = found === undefined ? undefined : await binaryVersion(found);
    if (found === undefined || version === undefined) {
      return { outcome: "impossible", reason: "what was installed is no nats-server that runs here" };
    }
    if (!isAtLeast(version, oldestNatsVersion)) {
      return { outcome: "impossible", reason: `nats-server ${version} is older than ${oldestNatsVersion}` };
    }
    await rename(found, target);
    return { outcome: "installed", command: target, version };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function firstFile(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (
      await stat(path).then(
        (entry) => entry.isFile(),
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
