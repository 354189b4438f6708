import { Worker } from "node:worker_threads";
import { createCounterStorage } from "@drawbridge/policies";
import { batchHead } from "@drawbridge/request-batch";
import type { App, Change, FromWorker, Listener, Replica, WorkerStart } from "../../src/workers/protocol.ts";
import { requestsOf, type ToldRequest } from "./told-requests.ts";

export interface WorkerThread extends AsyncDisposable {
  /** Resolves when it is in force; what the worker said on the way. */
  apply(...changes: Change[]): Promise<readonly FromWorker[]>;
  post(message: { type: "drain"; stopAccepting: "later" | "now" }): void;
  /** Everything it has said. */
  readonly heard: readonly FromWorker[];
  /** What it has told of requests. */
  records(): readonly ToldRequest[];
  /** The first message that fits, said already or later. */
  wait<T extends FromWorker["type"]>(
    type: T,
    fits?: (message: Extract<FromWorker, { type: T }>) => boolean,
  ): Promise<Extract<FromWorker, { type: T }>>;
}

/** A data plane as it runs in production: a thread that is told everything over its port. */
export async function startWorker(
  start: Partial<WorkerStart> = {},
  entry = new URL("../../src/worker/main.ts", import.meta.url),
): Promise<WorkerThread> {
  const workerData: WorkerStart = {
    workerIndex: 0,
    workerCount: 1,
    gatewayId: "gateway-0",
    counters: createCounterStorage(1_024),
    log: { level: "error" },
    ...start,
  };
  const worker = new Worker(entry, { workerData });
  const heard: FromWorker[] = [];
  let wake = Promise.withResolvers<void>();
  let failure: unknown;
  worker.on("message", (message: FromWorker) => {
    heard.push(message);
    wake.resolve();
    wake = Promise.withResolvers();
  });
  worker.on("error", (error) => {
    failure = error;
    wake.resolve();
  });
  let sequence = 0;

  const wait: WorkerThread["wait"] = async (type, fits = () => true) => {
    for (let seen = 0; ;) {
      for (; seen < heard.length; seen += 1) {
        const message = heard[seen];
        // The type was compared.
        if (message?.type === type && fits(message as never)) return message as never;
      }
      if (failure !== undefined) throw failure;
      await wake.promise;
    }
  };
  await wait("started");
  return {
    heard,
    wait,
    records: () => heard.flatMap((message) => (message.type === "requests" ? recordsOf(message) : [])),
    post: (message) => worker.postMessage(message),
    async apply(...changes) {
      sequence += 1;
      const mine = sequence;
      const before = heard.length;
      worker.postMessage({ type: "apply", sequence: mine, changes });
      await wait("applied", (message) => message.sequence === mine);
      return heard.slice(before);
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}

export function anApp(options: {
  readonly replicas: readonly Replica[];
  readonly bindings?: App["deployments"][number]["bindings"];
  readonly appId?: string;
}): App {
  return {
    appId: options.appId ?? "app-1",
    appName: "orders",
    environment: "prod",
    deployments: [
      {
        deployment: "d1",
        ready: options.replicas,
        listed: options.replicas.map(({ replicaId }) => replicaId),
        bindings: options.bindings ?? [],
      },
    ],
  };
}

export function aListener(port: number, options: Partial<Listener> = {}): Listener {
  return {
    listenerId: `l-${port}`,
    address: "127.0.0.1",
    port,
    tls: undefined,
    target: { kind: "app", appId: "app-1" },
    ...options,
  };
}

function recordsOf({ body }: Extract<FromWorker, { type: "requests" }>): readonly ToldRequest[] {
  const head = batchHead({ gatewayId: "gateway-0", epoch: 1n, sequence: 1n }, []);
  return requestsOf(Buffer.concat([head, new Uint8Array(body)]));
}
