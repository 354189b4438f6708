import type { ReplicaTraffic } from "@drawbridge/app-routes";

/** A request for an app, tracked or not, that is over. */
export interface Message {
  readonly appId: string;
  /** Empty: none could be reached. */
  readonly replicaId: string;
  readonly isError: boolean;
  /** From the choice of the replica to the last byte. */
  readonly durationMs: number;
}

const sendEveryMs = 1_000;

/** Counts a thread's messages by app and replica (MON), told once a second. */
export class MessageCounter {
  readonly #send: (replicas: readonly ReplicaTraffic[]) => void;
  /** By app, then by replica: no text is made for a request. */
  #apps = new Map<string, Map<string, { requests: number; errors: number; durationMs: number }>>();
  #sentMs = 0;

  constructor(send: (replicas: readonly ReplicaTraffic[]) => void) {
    this.#send = send;
  }

  add({ appId, replicaId, isError, durationMs }: Message): void {
    let replicas = this.#apps.get(appId);
    if (replicas === undefined) this.#apps.set(appId, (replicas = new Map()));
    let counts = replicas.get(replicaId);
    if (counts === undefined) replicas.set(replicaId, (counts = { requests: 0, errors: 0, durationMs: 0 }));
    counts.requests += 1;
    counts.durationMs += durationMs;
    if (isError) counts.errors += 1;
  }

  tick(nowMs: number): void {
    if (nowMs - this.#sentMs < sendEveryMs) return;
    this.#sentMs = nowMs;
    this.flush();
  }

  /** Everything, at the end. */
  flush(): void {
    if (this.#apps.size === 0) return;
    const counted: ReplicaTraffic[] = [];
    for (const [appId, replicas] of this.#apps) {
      for (const [replicaId, counts] of replicas) counted.push(Object.assign(counts, { appId, replicaId }));
    }
    this.#apps = new Map();
    this.#send(counted);
  }
}
