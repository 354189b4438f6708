import type { SharedCounters } from "./counters/shared-counters.ts";
import type { KeySets } from "./types/jwt-validation/key-sets.ts";
import type { WorkQueue } from "./work-queue.ts";

/** Time. `sleep` is for delays of requests (spike control, retry). */
export interface PolicyClock {
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  /** Runs `wake` after `ms`; the function returned cancels it. */
  readonly after: (ms: number, wake: () => void) => () => void;
}

export interface OutboundRequest {
  readonly method: "GET" | "POST";
  /** http or https, of the operator's configuration, never of a request. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
  /** A longer answer is an error. */
  readonly maximumBytes: number;
  /** PEM roots to trust instead of the system's. */
  readonly trustedRoots?: string;
}

export interface OutboundResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Requests of policies to servers of the operator (key sets, token introspection). No redirects. Rejects without an answer. */
export type OutboundFetch = (request: OutboundRequest) => Promise<OutboundResponse>;

/** A module of a custom policy, loaded in a worker of its own. */
export interface RunningModule {
  /** Call what it exports under that name; JSON in and out. Rejects when it throws, breaks its time limit or its worker dies. */
  readonly call: (operation: string, input: readonly unknown[], timeoutMs: number) => Promise<unknown>;
  /** Releases it after a while: calls of requests that are under way are still answered. */
  readonly close: () => void;
}

/** Starts modules of custom policies. Rejects when the module cannot be loaded: the API is then not usable. */
export type ModuleRunner = (options: {
  readonly source: string;
  /** For logs. */
  readonly name: string;
  readonly memoryLimitMb: number;
  readonly loadTimeoutMs: number;
}) => Promise<RunningModule>;

/** One line of message logging. */
export interface MessageLogRecord {
  readonly policyName: string;
  readonly apiId: string;
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number | boolean | undefined>>;
}

/** Something that an operator should know; the gateway logs it and limits how often. */
export interface PolicyAlarm {
  readonly apiId: string;
  readonly policyId: string;
  readonly policyName: string;
  /** Stable, SCREAMING_SNAKE_CASE. */
  readonly code: string;
  readonly message: string;
  readonly cause?: unknown;
}

/** What policies may use. The gateway gives the real thing, tests theirs. */
export interface PolicyServices {
  readonly clock: PolicyClock;
  /** 0 <= n < 1; for jitter. */
  readonly random: () => number;
  /** Limits shared by all worker threads of the gateway. */
  readonly counters: SharedCounters;
  readonly fetch: OutboundFetch;
  /** Key sets of token issuers, shared by all policies of a thread (`createKeySets`). */
  readonly keySets: KeySets;
  /** Bounds signature checks on the thread pool, 0.1 ms each, all policies of a thread together (`createWorkQueue`). */
  readonly verifications: WorkQueue;
  /** The same for passwords, 0.1 s each: apart, and one at a time, so that they leave threads to the others. */
  readonly passwordChecks: WorkQueue;
  /**
   * Public keys (PEM) whose owners may sign modules of custom policies; without any no module runs. "not_checked" is for
   * whoever runs no module: api-manager, whose startModule does nothing.
   */
  readonly trustedModuleKeys: readonly string[] | "not_checked";
  readonly startModule: ModuleRunner;
  readonly writeMessageLog: (record: MessageLogRecord) => void;
  readonly raiseAlarm: (alarm: PolicyAlarm) => void;
}
