import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually, type TestStack } from "@drawbridge/local/testing";

/** As the gateway's own admin listener says it: with or without an agent and a control plane. */
export interface ShownGate {
  readonly app: string;
  readonly deployment: string;
  readonly state: string;
  readonly reason: string;
  readonly message: string;
}

export interface ShownGateway {
  /** "ok" once a restart would find what is wanted. */
  readonly cache: string;
  readonly gates: readonly ShownGate[];
}

/** The fabric's gateway process and what it keeps. */
export interface Gateway {
  view(): Promise<ShownGateway>;
  /** SIGKILL; back when its shim has started another process that answers. `meanwhile`: with no process there. */
  kill(meanwhile?: () => Promise<void>): Promise<void>;
  /** SIGTERM; back as above. */
  stop(): Promise<void>;
  /** Forget everything that it kept. */
  removeCache(): Promise<void>;
  /** Flip a bit in the middle of every object that it kept. */
  corruptCache(): Promise<void>;
  /** Put another signature under every root that it kept, and let their names be right. */
  tamperCache(): Promise<void>;
}

interface Address {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
}

export function gatewayOf(stack: TestStack): Gateway {
  const directory = join(stack.stack.layout.agent, "cluster", "gateway");
  const cache = join(directory, "cache");
  const address = async (): Promise<Address> =>
    JSON.parse(await readFile(join(directory, "admin.json"), "utf8")) as Address;

  async function view(): Promise<ShownGateway> {
    const { host, port } = await address();
    const answer = await fetch(`http://${host}:${port}/gatekeeper`);
    return (await answer.json()) as ShownGateway;
  }

  async function backAfter(end: (pid: number) => Promise<void>): Promise<void> {
    const { pid } = await address();
    await end(pid);
    await eventually(async () => ((await address()).pid === pid ? undefined : view()));
  }

  async function filesIn(folder: string): Promise<readonly string[]> {
    const entries = await readdir(join(cache, folder), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  return {
    view,
    kill: (meanwhile) =>
      backAfter(async (pid) => {
        if (meanwhile) await stopShimOf(pid, meanwhile);
        else process.kill(pid, "SIGKILL");
      }),
    stop: () => backAfter(async (pid) => void process.kill(pid, "SIGTERM")),
    removeCache: () => rm(cache, { recursive: true, force: true }),
    corruptCache: async () => {
      for (const path of await filesIn("objects")) {
        const bytes = await readFile(path);
        const middle = bytes.length >> 1;
        bytes[middle] = (bytes[middle] ?? 0) ^ 1;
        await writeFile(path, bytes);
      }
    },
    tamperCache: async () => {
      for (const path of await filesIn("roots")) {
        const [header = "", payload = "", signature = ""] = (await readFile(path, "utf8")).split(".");
        const other = signature.startsWith("A") ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
        await writeFile(path, [header, payload, other].join("."));
      }
    },
  };
}

/** While its shim stands still nobody starts the process again. */
async function stopShimOf(pid: number, meanwhile: () => Promise<void>): Promise<void> {
  const [, parent] = /\nPPid:\t(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8")) ?? [];
  const shim = Number(parent);
  process.kill(shim, "SIGSTOP");
  try {
    process.kill(pid, "SIGKILL");
    await meanwhile();
  } finally {
    process.kill(shim, "SIGCONT");
  }
}
