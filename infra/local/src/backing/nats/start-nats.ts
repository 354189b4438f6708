import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { permissionsOf, serviceNames, type ServiceName } from "@drawbridge/bus";
import { DrawbridgeError } from "@drawbridge/errors";
import { choosePort } from "../free-port.ts";
import { silentProgress, type LocalProgress } from "../local-progress.ts";
import { createManagedProcess, withFacts, type LaunchPlan, type ManagedProcess } from "../managed-process.ts";
import { runCommand } from "../run-command.ts";
import { readOrCreateSecret, writePrivateFile } from "../secret-file.ts";
import { findNatsServer } from "./find-nats-server.ts";
import { natsConfigText, type NatsUser } from "./nats-config.ts";
import { natsGreets } from "./nats-greets.ts";
import type { NatsServer } from "./nats-server.ts";
import { endOrphan, recordPid } from "./nats-pid.ts";

export interface StartNatsOptions {
  /** Holds `jetstream/`, `password`, `credentials` and `logins/` (0600), `nats.conf` and logs. One owner at a time. */
  readonly stateDir: string;
  /** 0 for a free one. */
  readonly port: number;
  /** From findNatsServer; default: found by it. Not kind "url": that one runs already. */
  readonly server?: NatsServer;
  /** Called whenever the server has started, before anybody is told: makes what services may not make. */
  readonly provision?: (server: { readonly url: string; readonly credentials: string }) => Promise<void>;
  readonly progress?: LocalProgress;
}

export interface ManagedNats extends ManagedProcess {
  readonly port: number;
  readonly url: string;
  /** May do everything: for provisioning and for people, never for a service. */
  readonly credentials: { readonly user: string; readonly password: string };
  /** Holds "user:password". */
  readonly credentialsFile: string;
  /** Holds "service:password", for DRAWBRIDGE_NATS_CREDENTIALS_FILE: may do what `serviceAccess` of bus says. */
  readonly credentialsFileOf: (service: ServiceName) => string;
  readonly version: string;
}

const user = "drawbridge";

/**
 * nats-server with JetStream on loopback only, one login per service and one for everything, passwords generated. Works on the state that an earlier
 * run left, also after a kill -9 of it or of its owner.
 * @throws DrawbridgeError `LOCAL_PORT_IN_USE` | `LOCAL_NATS_MISSING` | `LOCAL_START_FAILED`
 */
export async function startNats(options: StartNatsOptions): Promise<ManagedNats> {
  const progress = options.progress ?? silentProgress;
  const server = options.server ?? (await findNatsServer({ progress }));
  if (server.kind === "url") {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "LOCAL_NATS_REMOTE",
      message: "a NATS server given by URL is not ours to start",
    });
  }
  const stateDir = resolve(options.stateDir);
  await mkdir(join(stateDir, "jetstream"), { recursive: true, mode: 0o700 });
  const credentials = { user, password: await readOrCreateSecret(join(stateDir, "password")) };
  const credentialsFile = join(stateDir, "credentials");
  await writePrivateFile(credentialsFile, `${credentials.user}:${credentials.password}\n`);
  const loginOf = (service: ServiceName): string => join(stateDir, "logins", service);
  const users = await Promise.all(serviceNames.map((service) => serviceUser(service, loginOf(service))));
  const pidFile = join(stateDir, "nats.pid");
  const configFile = join(stateDir, "nats.conf");
  const container = `drawbridge-nats-${createHash("sha256").update(stateDir).digest("hex").slice(0, 12)}`;
  // What an owner left behind when it was killed, before the port is looked at: it may hold it.
  await endOrphan(pidFile, configFile);
  if (server.kind === "docker") await runCommand("docker", ["rm", "--force", container], { timeoutMs: 30_000 });
  const port = await choosePort("NATS", options.port);
  const inside =
    server.kind === "docker"
      ? { host: "0.0.0.0", port: 4222, dir: "/state" }
      : { host: "127.0.0.1", port, dir: stateDir };
  await writePrivateFile(
    configFile,
    await natsConfigText({
      host: inside.host,
      port: inside.port,
      storeDir: join(inside.dir, "jetstream"),
      logFile: join(inside.dir, "nats.log"),
      users: [{ name: credentials.user, password: credentials.password }, ...users],
    }),
  );
  const url = `nats://127.0.0.1:${port}`;

  const managed = createManagedProcess({
    name: "NATS",
    logFile: join(stateDir, "nats.out"),
    plan: () => Promise.resolve(launchPlan(server, { stateDir, configFile, container, port })),
    isReady: () => natsGreets({ host: "127.0.0.1", port }),
    stopSignal: "SIGTERM",
    onStarted: async (pid) => {
      await recordPid(pidFile, pid);
      await options.provision?.({ url, credentials: `${credentials.user}:${credentials.password}` });
    },
    ...(server.kind === "docker"
      ? { end: async (how) => void (await runCommand("docker", [how, container], { timeoutMs: 30_000 })) }
      : {}),
  });
  await startOrStop(managed);
  return withFacts(managed, {
    port,
    url,
    credentials,
    credentialsFile,
    credentialsFileOf: loginOf,
    version: server.version,
  });
}

/** The login of a service, made once and kept: a restart must not lock out what runs. */
async function serviceUser(service: ServiceName, file: string): Promise<NatsUser> {
  const [, kept] = (await readFile(file, "utf8").catch(() => "")).trim().split(":");
  const password = kept || randomBytes(32).toString("base64url");
  if (!kept) await writePrivateFile(file, `${service}:${password}\n`);
  return { name: service, password, permissions: permissionsOf(service) };
}

/** A server that runs but could not be provisioned is of no use, and nobody would own it. */
async function startOrStop(managed: ManagedProcess): Promise<void> {
  try {
    await managed.start();
  } catch (error) {
    await managed.stop();
    throw error;
  }
}

function launchPlan(
  server: Exclude<NatsServer, { kind: "url" }>,
  at: { readonly stateDir: string; readonly configFile: string; readonly container: string; readonly port: number },
): LaunchPlan {
  if (server.kind === "binary") {
    return { command: server.command, args: ["-c", at.configFile], env: {}, cwd: at.stateDir };
  }
  const owner = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  const container = ["--rm", `--name=${at.container}`, "--entrypoint=nats-server", `--user=${owner}`];
  const limits = ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--pull=never"];
  const doors = [`--publish=127.0.0.1:${at.port}:4222`, `--volume=${at.stateDir}:/state`];
  return {
    command: "docker",
    args: ["run", ...container, ...limits, ...doors, server.image, "-c", "/state/nats.conf"],
    retryForMs: 10_000, // the name of a container that was killed is free again a moment later
  };
}
