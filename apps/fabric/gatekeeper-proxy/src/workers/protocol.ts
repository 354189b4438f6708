import type { ReplicaTraffic } from "@drawbridge/app-routes";
import type { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import type { CopiedExchange, LostExchanges } from "../insight/insight-protocol.ts";
import type { LogFormat, LogLevel } from "@drawbridge/telemetry";
import type { DataPlaneSettings } from "../worker/settings.ts";

/*
 * What the main thread and its workers say to each other, over `parentPort`. Every message survives a structured clone.
 *
 * Invariants:
 *   - A worker knows only what `apply` told it. It reads no file of the gateway, but for its own place in `recordedCounts`, and
 *     asks for nothing.
 *   - Changes of one `apply` take force in their order and between two requests: no request sees half of them.
 *   - `applied` is sent once everything in that `apply` is in force, what had to be compiled is compiled or reported as
 *     `unusable`, and the `in_flight` that follows from it was sent before.
 *   - A set is compiled when it is added, not at the first request. Verdict `open` names a set that was added before.
 *   - A request is judged once, by the verdict and the set at its head; it ends under that set.
 *   - A new worker starts with one `apply` that holds everything.
 */

/** In `workerData`. */
export interface WorkerStart {
  /** 0 to `workerCount - 1`; a worker that takes the place of another has its number. */
  readonly workerIndex: number;
  readonly workerCount: number;
  readonly gatewayId: string;
  /** Counters of rate limits, shared by all workers; outlives each of them. Laid out by packages/policies. */
  readonly counters: SharedArrayBuffer;
  /** `AnalyticsBoard` of analytics/; absent: nothing bounds what is recorded. */
  readonly analytics?: SharedArrayBuffer;
  /** Open file of `ThreadCount` of analytics/recorded-counts.ts; absent: none. */
  readonly recordedCounts?: number | undefined;
  /** Memory of `InsightBoard` of insight/; absent: nothing is captured. */
  readonly insight?: SharedArrayBuffer;
  /** PEM of whoever may sign modules of custom policies; absent: nobody. */
  readonly trustedModuleKeys?: readonly string[];
  /** Absent: the defaults of worker/settings.ts. */
  readonly settings?: Partial<DataPlaneSettings>;
  /** Absent: JSON from "info" on. */
  readonly log?: { readonly level?: LogLevel; readonly format?: LogFormat };
}

export type ToWorker = Apply | StartDraining;

export type FromWorker =
  | Started
  | Applied
  | Unusable
  | Listening
  | InFlight
  | Drained
  | RecordedRequests
  | RequestTallies
  | CountedMessages
  | SeenRoutes
  | CopiedExchange
  | LostExchanges;

/** All changes that became known together. Sequences grow; a worker gets each once, in order. */
export interface Apply {
  readonly type: "apply";
  readonly sequence: number;
  readonly changes: readonly Change[];
}

export type Change =
  | { readonly change: "set_added"; readonly set: ApiSet }
  /** No gate is open to it any more. */
  | { readonly change: "set_removed"; readonly setId: string }
  /** New, or in place of what the worker has of this app. Gates that it does not name any more are gone. */
  | { readonly change: "app_set"; readonly app: App }
  | { readonly change: "app_removed"; readonly appId: string }
  /** Replicas of an app that was set; nothing else of it changes. */
  | { readonly change: "replicas_set"; readonly appId: string; readonly deployments: readonly Replicas[] }
  /** Gates that the worker does not know are left out: the app that names them follows in the same `apply`. */
  | {
      readonly change: "verdicts_set";
      readonly verdicts: readonly { readonly gateId: string; readonly verdict: Verdict }[];
    }
  /** Listen, if it does not yet: the worker answers `listening` at each, so that a port that was taken can be tried again. */
  | { readonly change: "listener_set"; readonly listener: Listener }
  /** Take no new connections there; requests under way end. */
  | { readonly change: "listener_removed"; readonly listenerId: string };

/** With `reusePort`, so that all workers may listen on the same one. */
export interface Listener {
  readonly listenerId: string;
  readonly address: string;
  /** Never 0. */
  readonly port: number;
  /** One certificate whatever name a client asks for, or by name. */
  readonly tls: CertificatePair | CertificatesByName | undefined;
  readonly target:
    | { readonly kind: "app"; readonly appId: string }
    /** None that fits: 404. */
    | { readonly kind: "shared"; readonly routes: readonly SharedRoute[] };
}

export interface CertificatePair {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

/** A request for another host than the client named in its handshake is answered 421. */
export interface CertificatesByName {
  /** Of two with one name the first counts. Names in lower case, "*.example.com" for one label in front. */
  readonly certificates: readonly (CertificatePair & { readonly names: readonly string[] })[];
  /** For a name that no certificate has, and for clients that name none; `undefined`: their handshake fails. */
  readonly fallback: CertificatePair | undefined;
}

export interface SharedRoute {
  /** Lower case, without a port; "*.example.com" for one label in front. */
  readonly host: string;
  /** "/" or "/orders": matches itself and what is below. Sent upstream as it is. */
  readonly pathPrefix: string;
  readonly appId: string;
}

export interface App {
  readonly appId: string;
  readonly appName: string;
  readonly environment: string;
  /** Newest first. */
  readonly deployments: readonly Deployment[];
}

export interface Deployment extends Replicas {
  readonly bindings: readonly Binding[];
}

export interface Replicas {
  /** Changes with every deploy, restart and roll-back. */
  readonly deployment: string;
  /** Those that are ready. */
  readonly ready: readonly Replica[];
  /** Ids of all that should get requests, ready or not. What is not among them drains. */
  readonly listed: readonly string[];
}

export interface Replica {
  readonly replicaId: string;
  readonly address: string;
  readonly port: number;
  /** What it speaks; absent: HTTP/1.1. "h2c": HTTP/2 over plain text with prior knowledge, as gRPC servers do. */
  readonly protocol?: "http1" | "h2c";
}

/** One API of a deployment: its tracked resources and how their gate stands. */
export interface Binding {
  /** Unique in the gateway. */
  readonly gateId: string;
  readonly apiName: string;
  readonly apiVersion: string;
  /** "/" or "/orders": a request is the API's if its path is this or below it; of several that track it, the longest base path wins. */
  readonly basePath: string;
  /** If there are any, only these are tracked: `method` "*" or upper case, `path` a template below the base path. */
  readonly resources: readonly { readonly method: string; readonly path: string }[];
  readonly verdict: Verdict;
}

export type Verdict =
  | { readonly verdict: "closed"; readonly reason: BlockedReason }
  /** The policies of this set are enforced, also if there are none. */
  | { readonly verdict: "open"; readonly setId: string }
  /** Level disabled before the first usable set: no policies. */
  | { readonly verdict: "passthrough" };

/** What a client is told. */
export type BlockedReason = "initializing" | "offline" | "policy_error" | "unresolved";

/** One API instance at one revision: compiled as a whole or not at all. */
export interface ApiSet {
  /** Hex of the SHA-256 of the document's bytes; so another revision is another set. */
  readonly setId: string;
  /** Protobuf ApiDocument in shared memory, bytes that can be decoded. */
  readonly document: Uint8Array;
  /** Protobuf ContractPages in shared memory, in the document's order; `openContracts` looks into them. */
  readonly contractPages: readonly Uint8Array[];
  /** Those that policies of the document name, in shared memory; the digest is hex. */
  readonly assets: readonly { readonly digest: string; readonly bytes: Uint8Array }[];
}

/** Answer with `Connection: close` / GOAWAY from now on. `now`: also take no new connections and close idle ones. */
export interface StartDraining {
  readonly type: "drain";
  readonly stopAccepting: "later" | "now";
}

/** The worker's code is loaded; it waits for `apply`. */
export interface Started {
  readonly type: "started";
}

export interface Applied {
  readonly type: "applied";
  readonly sequence: number;
}

/** The set cannot be compiled. Sent before the `applied` of the `apply` that added it. */
export interface Unusable {
  readonly type: "unusable";
  readonly setId: string;
  readonly problems: readonly SetProblem[];
}

export interface SetProblem {
  readonly policyId: string;
  readonly policyName: string;
  /** Path in the policy's configuration; empty for the policy as a whole. */
  readonly field: string;
  readonly message: string;
}

/** Answer to each `listener_set`. */
export interface Listening {
  readonly type: "listening";
  readonly listenerId: string;
  /** The system's error code; `undefined`: it listens. */
  readonly failure: string | undefined;
}

/** Requests under way at replicas that are not listed any more; the whole list, whenever it changes (at most every 25 ms). */
export interface InFlight {
  readonly type: "in_flight";
  readonly draining: readonly { readonly appId: string; readonly replicaId: string; readonly count: number }[];
}

/** After `drain` with `stopAccepting: "now"`: no connection is left. */
export interface Drained {
  readonly type: "drained";
}

/** A body for a batch of packages/request-batch: requests of tracked resources of APIs that are told of (ANA 2). */
export interface RecordedRequests {
  readonly type: "requests";
  /** Handed over, not copied. */
  readonly body: ArrayBuffer;
  readonly rows: number;
  /** Milliseconds since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** What a second of tracked requests came to, also of APIs that are not told of. */
export interface RequestTallies {
  readonly type: "tallies";
  readonly tallies: readonly RequestTally[];
  /** Recorded, and no room for them: nobody took batches off. */
  readonly dropped: LostRequests | undefined;
}

export interface RequestTally {
  readonly disposition: Disposition;
  readonly requests: number;
  /** Of all of them. */
  readonly durationMs: number;
}

/** Requests that were recorded and are not told one by one. */
export interface LostRequests {
  readonly requests: number;
  /** Milliseconds since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** Messages of apps since the one before, tracked or not (MON); every second, and at the end. */
export interface CountedMessages {
  readonly type: "traffic";
  readonly replicas: readonly ReplicaTraffic[];
}

/** Routes of APIs that the platform wants observed, every second: templates, never paths. */
export interface SeenRoutes {
  readonly type: "routes";
  /** `key`: of configuration/api-key.ts. */
  readonly apis: readonly { readonly key: string; readonly routes: readonly SeenRoute[] }[];
}

export interface SeenRoute {
  readonly method: string;
  /** As `routeTemplate` of packages/policies makes it. */
  readonly template: string;
  readonly count: number;
}
