import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gatewayOwnDirectory, gatewayPeersDirectory } from "@drawbridge/app-routes";
import type { GateView } from "../../src/admin/gate-view.ts";
import type { GatewayView } from "../../src/admin/admin-server.ts";

export interface GatewayProcess extends AsyncDisposable {
  readonly pid: number;
  /** Everything that it logged, one record a line. */
  readonly log: () => string;
  admin(path: string, init?: RequestInit): Promise<Response>;
  view(): Promise<GatewayView>;
  gate(api: string): Promise<GateView | undefined>;
  kill(): Promise<void>;
  /** SIGTERM, and an orderly end. */
  stop(): Promise<void>;
}

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** The real program, as the shim starts it. */
export async function startGateway(options: {
  readonly directory: string;
  readonly fabricId: string;
  /** Beside others of the fabric: its name; without it it is alone. */
  readonly gatewayId?: string;
  readonly env?: Readonly<Record<string, string>>;
}): Promise<GatewayProcess> {
  let log = "";
  const { gatewayId } = options;
  const ownDirectory = gatewayId === undefined ? options.directory : gatewayOwnDirectory(options.directory, gatewayId);
  const child: ChildProcess = spawn(process.execPath, [main], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(options.directory, "compile-cache"),
      DRAWBRIDGE_STATE_DIR: options.directory,
      DRAWBRIDGE_FABRIC_ID: options.fabricId,
      DRAWBRIDGE_WORKERS: "2",
      DRAWBRIDGE_CONNECT_DEADLINE_SECONDS: "2",
      DRAWBRIDGE_STOP_ACCEPTING_AFTER_SECONDS: "0",
      DRAWBRIDGE_DRAIN_SECONDS: "60",
      ...(gatewayId !== undefined && {
        DRAWBRIDGE_GATEWAY_ID: gatewayId,
        DRAWBRIDGE_OWN_DIR: ownDirectory,
        DRAWBRIDGE_PEERS_DIR: gatewayPeersDirectory(options.directory),
      }),
      ...options.env,
    },
  });
  child.stdout?.on("data", (chunk: Buffer) => (log += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const exited = once(child, "exit") as Promise<[number | null]>; // what the event carries
  const adminPath = join(ownDirectory, "admin.json");
  const known = options.env?.["DRAWBRIDGE_ADMIN_LISTEN"];
  const address = (): string | undefined => {
    if (known !== undefined) return known;
    if (!existsSync(adminPath)) return undefined;
    const said = JSON.parse(readFileSync(adminPath, "utf8")) as { host: string; port: number; pid: number };
    return said.pid === child.pid ? `${said.host}:${said.port}` : undefined;
  };
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`the gateway ended at once:\n${log}`);
    if (known === undefined) return address() !== undefined;
    return fetch(`http://${known}/livez`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  const admin = (path: string, init?: RequestInit): Promise<Response> => fetch(`http://${address()}${path}`, init);
  const view = async (): Promise<GatewayView> => (await (await admin("/gatekeeper")).json()) as GatewayView;
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const [code] = await exited;
    return code;
  };
  return {
    pid: child.pid ?? 0,
    log: () => log,
    admin,
    view,
    gate: async (api) => (await view()).gates.find((gate) => gate.api === api),
    kill: async () => void (await end("SIGKILL")),
    stop: async () => {
      const code = await end("SIGTERM");
      if (code !== 0) throw new Error(`the gateway ended with ${code}:\n${log}`);
    },
    [Symbol.asyncDispose]: async () => void (await end("SIGKILL")),
  };
}

/** Ask until it is so; the test's own time limit ends it. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
}
