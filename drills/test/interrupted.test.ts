import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "@drawbridge/local/testing";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("../src/main.ts", import.meta.url));

test.skipIf(process.platform !== "linux")(
  "a drill that is interrupted leaves no process and no folder behind",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "drawbridge-interrupted-"));
    await chmod(folder, 0o711); // PostgreSQL runs as another user
    const drill = spawn(process.execPath, [program, "kill-anything"], {
      stdio: "ignore",
      env: { ...process.env, TMPDIR: folder },
    });
    const exited = once(drill, "exit");
    await eventually(async () => (await processesThatName(folder)).find(({ args }) => args.includes("/shim/")));
    const running = await processesThatName(folder);
    expect(running.some(({ args }) => args.includes("nats-server"))).toBe(true);
    drill.kill("SIGTERM");
    expect(await exited).toEqual([128 + 15, null]);
    expect(await readdir(folder)).toEqual([]);
    expect(await processesThatName(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  },
);

/** Whose arguments, folder or environment hold this path: services, too, whose arguments do not. */
async function processesThatName(path: string): Promise<readonly { readonly pid: number; readonly args: string }[]> {
  const pids = (await readdir("/proc")).map(Number).filter((pid) => pid > 0 && pid !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [args, environment] = await Promise.all([
        readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
        readFile(`/proc/${pid}/environ`, "utf8").catch(() => ""),
      ]);
      return args.includes(path) || environment.includes(path) ? [{ pid, args: args.replaceAll("\0", " ") }] : [];
    }),
  );
  return found.flat();
}
