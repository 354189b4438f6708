import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { manifestSchema } from "@drawbridge/bundle";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { ClusterDriver, DesiredApp, ObservedApp } from "../../src/cluster/cluster-driver.ts";

/** A cluster that tests may do anything to. */
export interface ClusterHarness extends AsyncDisposable {
  readonly driver: ClusterDriver;
  /** Another agent of the same cluster, as after a restart. */
  readonly newDriver: () => ClusterDriver;
}

export const never = new AbortController().signal;

export interface AppOptions {
  readonly behaviour?: string;
  /** What the app answers at "/". */
  readonly answer?: string;
  readonly memoryMiB?: number;
  /** Between SIGTERM and SIGKILL. */
  readonly drainSeconds?: number;
  readonly command?: readonly string[];
  /** APIs of the manifest. */
  readonly apis?: readonly object[];
  readonly runtimeVersion?: string;
  readonly change?: Partial<DesiredApp>;
}

/** A desired app that runs `fixtures/app.mjs`. */
export function anApp({
  behaviour = "serve",
  answer = "one",
  memoryMiB = 512,
  drainSeconds = 10,
  command,
  apis = [],
  runtimeVersion,
  change,
}: AppOptions = {}): DesiredApp {
  const revision = change?.revision ?? 1n;
  return {
    appId: randomUUID(),
    name: "shop",
    environmentName: "test",
    generation: revision,
    revision,
    specDigest: `sha256:${answer}-${behaviour}-${revision}`,
    desiredState: "running",
    replicas: 1,
    restartNonce: "",
    publicPort: 0,
    hosts: [],
    strategy: { maxSurge: 1, readyTimeoutSeconds: 60, drainTimeoutSeconds: 10 },
    bundleDigest: "sha256:0000",
    bundleDirectory: join(import.meta.dirname, "fixtures"),
    manifest: manifestSchema.parse({
      apiVersion: "drawbridge/v1",
      name: "shop",
      version: `1.0.${revision}`,
      runtime: { command: command ?? ["node", "app.mjs"], ...(runtimeVersion !== undefined && { runtimeVersion }) },
      apis,
      readiness: { path: "/ready" },
      resources: { memoryMiB },
      drainSeconds,
    }),
    gatekeeper: { value: "", origin: "app" },
    environment: { BEHAVIOUR: behaviour, ANSWER: answer },
    secrets: {},
    ...change,
  };
}

/** The same app in a later revision. */
export function nextRevision(app: DesiredApp, options: AppOptions = {}): DesiredApp {
  const { appId } = app;
  const revision = app.revision + 1n;
  return anApp({
    ...options,
    change: {
      replicas: app.replicas,
      publicPort: app.publicPort,
      strategy: app.strategy,
      ...options.change,
      appId,
      revision,
    },
  });
}

export async function observed(driver: ClusterDriver, appId: string): Promise<ObservedApp> {
  const app = (await driver.observe(never)).find((candidate) => candidate.appId === appId);
  if (app === undefined) throw new Error(`app ${appId} is not there`);
  return app;
}

export async function endpointOf(driver: ClusterDriver, appId: string): Promise<string> {
  const [endpoint] = (await observed(driver, appId)).endpoints;
  if (endpoint === undefined) throw new Error(`app ${appId} has no endpoint`);
  return endpoint;
}

export async function get(driver: ClusterDriver, appId: string, path = "/"): Promise<{ status: number; body: string }> {
  const response = await fetch(new URL(path, await endpointOf(driver, appId)));
  return { status: response.status, body: await response.text() };
}

/** Ask again and again until `check` gives something; the test's own time limit ends it. */
export async function eventually<T>(check: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const found = await Promise.resolve(check()).catch(() => undefined);
    if (found !== undefined && found !== false) return found;
    await pause(25);
  }
}

export interface Load {
  /** Stop and say what came back. */
  stop(): Promise<{
    readonly answered: number;
    readonly answers: ReadonlySet<string>;
    readonly failures: readonly string[];
  }>;
}

/** Requests without a pause on keep-alive connections: half of them with a body, none ever repeated. */
export function startLoad(endpoint: string, { connections = 8 } = {}): Load {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const failures: string[] = [];
  const answers = new Set<string>();
  let answered = 0;
  const stopping = new AbortController();

  async function client(index: number): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        const { status, body } = await send(endpoint, agent, index % 2 === 0 ? undefined : "x".repeat(10_000));
        answered += 1;
        answers.add(body);
        if (status !== 200) failures.push(`status ${status}: ${body}`);
      } catch (error) {
        failures.push(String(error));
      }
    }
  }
  const clients = Array.from({ length: connections }, (_, index) => client(index));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(clients);
      agent.destroy();
      return { answered, answers, failures };
    },
  };
}

function send(endpoint: string, agent: Agent, body: string | undefined): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(endpoint, { agent, method: body === undefined ? "GET" : "POST" }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on("error", reject);
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** Living processes with `text` in their command line or environment. */
export function processesWith(text: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => ["cmdline", "environ"].some((file) => readProc(pid, file).includes(text)))
    .filter((pid) => !/^\d+ \(.*\) Z/s.test(readProc(pid, "stat")));
}

export function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return ""; // ended meanwhile
  }
}
