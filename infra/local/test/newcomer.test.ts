import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, readlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { repositoryRoot } from "../src/stack/child.ts";
import { freePortBase } from "../src/stack/free-port-base.ts";
import { removeState } from "../src/stack/remove-state.ts";

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await removeState(folder);
});

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ready: Promise<void>;
}

function npmStart(stateDir: string, portBase: number, ...args: string[]): Started {
  const child = spawn("npm", ["start", "--", "--state-dir", stateDir, "--port-base", String(portBase), ...args], {
    cwd: repositoryRoot,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const ready = Promise.withResolvers<void>();
  const onText = (chunk: Buffer): void => {
    text += chunk.toString();
    if (text.includes("Ctrl-C stops everything")) ready.resolve();
  };
  child.stdout.on("data", onText);
  child.stderr.on("data", onText);
  child.once("exit", () => ready.reject(new Error(`npm start ended early:\n${text}`)));
  return { child, output: () => text, ready: ready.promise };
}

/** What a terminal does on Ctrl-C: SIGINT to the whole foreground group. */
async function ctrlC({ child }: Started): Promise<void> {
  const exited = new Promise((resolve) => child.once("exit", resolve));
  process.kill(-(child.pid ?? 0), "SIGINT");
  await exited;
}

/** Processes whose command line or working directory lies in the folder. */
async function processesOf(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const commandLine = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
    const directory = await readlink(`/proc/${pid}/cwd`).catch(() => "");
    if (Number(pid) !== process.pid && (commandLine.includes(folder) || directory.startsWith(folder)))
      found.push(`${pid} ${commandLine}`);
  }
  return found;
}

const appAddress = (output: string): string =>
  /http:\/\/127\.0\.0\.1:\d+/.exec(output.slice(output.indexOf("app hello")))?.[0] ?? "";

test("npm start shows a running app, Ctrl-C ends every process, and a second start resumes the same fabric and app", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drawbridge-start-"));
  folders.push(folder);
  const stateDir = join(folder, "state");
  const portBase = await freePortBase();

  const first = npmStart(stateDir, portBase);
  await first.ready;
  const address = appAddress(first.output());
  expect((await fetch(address)).status).toBe(200);
  const identity = await readFile(join(stateDir, "agent/identity/current/tls.crt"), "utf8");
  await ctrlC(first);
  expect(await processesOf(folder)).toEqual([]);

  const second = npmStart(stateDir, portBase);
  await second.ready;
  expect(second.output()).toContain("resumes with its identity");
  expect(await readFile(join(stateDir, "agent/identity/current/tls.crt"), "utf8")).toBe(identity);
  expect(appAddress(second.output())).toBe(address);
  expect((await fetch(address)).status).toBe(200);
  await ctrlC(second);
  expect(await processesOf(folder)).toEqual([]);
});
