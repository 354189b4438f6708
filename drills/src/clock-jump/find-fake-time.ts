import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where Debian, Fedora, Alpine and Arch put libfaketime's variant for threads. */
const installed = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib64/faketime/libfaketimeMT.so.1",
  "/usr/lib/faketime/libfaketimeMT.so.1",
];

export type FakeTimeLibrary = { readonly path: string } | { readonly missing: string };

/**
 * libfaketime as it is installed, or as an earlier call unpacked it, or the system's package, unpacked into the cache
 * instead of installed: the same for who is not root. Otherwise what to install.
 */
export async function findFakeTime(
  options: { readonly installed?: readonly string[]; readonly cacheDir?: string; readonly aptGet?: string } = {},
): Promise<FakeTimeLibrary> {
  const cacheDir = join(options.cacheDir ?? join(homedir(), ".cache", "drawbridge"), "libfaketime-system");
  const places = options.installed ?? installed;
  const known = [...places, ...installed.map((path) => join(cacheDir, path))].find((path) => existsSync(path));
  if (known !== undefined) return { path: known };
  const reason = await unpackPackage(cacheDir, options.aptGet ?? "apt-get").then(
    () => "the system's package holds no library for this machine",
    (error: unknown) => (error instanceof Error ? (error.message.trim().split("\n").at(-1) ?? "") : String(error)),
  );
  const unpacked = installed.map((path) => join(cacheDir, path)).find((path) => existsSync(path));
  if (unpacked !== undefined) return { path: unpacked };
  return {
    missing: `setting a process's clock takes libfaketime, which is not on this machine (${reason}); install it: "apt-get install faketime", "dnf install libfaketime", "apk add libfaketime" or "pacman -S libfaketime"`,
  };
}

async function unpackPackage(target: string, aptGet: string): Promise<void> {
  await mkdir(join(target, ".."), { recursive: true });
  const folder = await mkdtemp(`${target}.`); // renamed at the end: two at once both end well
  try {
    if (process.getuid?.() === 0) await run(aptGet, ["update", "-qq"]).catch(() => undefined); // old lists may do
    await run(aptGet, ["download", "-q", "libfaketime"], { cwd: folder });
    const archive = (await readdir(folder)).find((name) => name.endsWith(".deb"));
    if (archive === undefined) throw new Error("apt-get has no package libfaketime");
    await run("dpkg-deb", ["-x", archive, "."], { cwd: folder });
    await rename(folder, target).catch(() => undefined); // another one was first
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
