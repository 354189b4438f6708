import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The number of the image's user. */
export const user = 65_532;

/** What docs/operations.md tells to run every image with. */
const hardened = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"];

export interface RunOptions {
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folder on this machine by folder in the container; the latter ends with `:ro` when it is only read. */
  readonly volumes?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
}

/** Containers on a network of their own; all are removed at the end. */
export interface Containers extends AsyncDisposable {
  /** An image of ours, with all the limits, to its end. @throws with its output when it fails */
  job(options: RunOptions): Promise<string>;
  /** An image of ours, with all the limits, in the background; others find it under its name. */
  service(name: string, options: RunOptions): Promise<void>;
  /** Somebody else's image in the background. */
  backing(name: string, options: RunOptions): Promise<void>;
  idOf(name: string): string;
  /** Where a port of the container is published on this machine. */
  published(name: string, port: number): Promise<string>;
  /** A JavaScript expression, evaluated in a new process inside the container; its value must fit into JSON. */
  evaluate(name: string, expression: string): Promise<unknown>;
}

export async function docker(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run("docker", args, { maxBuffer: 64 * 1024 * 1024 });
  return args[0] === "logs" ? `${stdout}${stderr}` : stdout.trim();
}

export async function openContainers(): Promise<Containers> {
  const network = `drawbridge-test-${randomBytes(4).toString("hex")}`;
  await docker("network", "create", network);
  const started: string[] = [];
  const idOf = (name: string): string => `${network}-${name}`;

  async function start(name: string, limits: readonly string[], options: RunOptions): Promise<void> {
    started.push(idOf(name));
    const named = [`--name=${idOf(name)}`, `--network=${network}`, `--network-alias=${name}`];
    await docker("run", "--detach", ...named, ...limits, ...flagsOf(options), options.image, ...(options.args ?? []));
  }

  return {
    idOf,
    job: (options) =>
      docker(
        "run",
        "--rm",
        `--network=${network}`,
        ...hardened,
        ...flagsOf(options),
        options.image,
        ...(options.args ?? []),
      ),
    service: (name, options) => start(name, hardened, options),
    backing: (name, options) => start(name, [], options),
    published: async (name, port) => (await docker("port", idOf(name), `${port}/tcp`)).split("\n")[0] ?? "",
    evaluate: async (name, expression) => {
      const program = `Promise.resolve(${expression}).then((value) => console.log(JSON.stringify(value)))`;
      return JSON.parse(await docker("exec", idOf(name), "node", "-e", program)) as unknown;
    },
    [Symbol.asyncDispose]: async () => {
      if (started.length > 0) await docker("rm", "--force", "--volumes", ...started);
      await docker("network", "rm", network);
    },
  };
}

/** Ask until the answer is yes; ends with what `describe` says. */
export async function until(
  what: string,
  isSo: () => Promise<boolean>,
  describe: () => Promise<string> = () => Promise.resolve(""),
): Promise<void> {
  const giveUpMs = performance.now() + 90_000;
  while (!(await isSo().catch(() => false))) {
    if (performance.now() > giveUpMs) throw new Error(`never: ${what}\n${await describe()}`);
    await pause(200);
  }
}

function flagsOf({ env = {}, volumes = {}, flags = [] }: RunOptions): readonly string[] {
  return [
    ...Object.entries(env).map(([name, value]) => `--env=DRAWBRIDGE_${name}=${value}`),
    ...Object.entries(volumes).map(([inside, outside]) => `--volume=${outside}:${inside}`),
    ...flags,
  ];
}
