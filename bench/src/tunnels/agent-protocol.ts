/** An agent as the bench made it: its certificate is known to runtime-manager already. */
export interface AgentSeed {
  readonly fabricId: string;
  readonly fabricName: string;
  readonly agentId: string;
  /** Leaf first. */
  readonly certificateChainPem: string;
}

/** All agents of a run, in a file, because it is too big for a message. */
export interface AgentFile {
  /** One key for all: what is measured is on the other side. */
  readonly privateKeyPem: string;
  readonly rootsPem: readonly string[];
  readonly agents: readonly AgentSeed[];
}

/** Bare servers that runtime-manager is compared with. */
export type PeerKind = "tls" | "http2" | "grpc";

export type HostTarget = { readonly kind: "tunnel" | PeerKind; readonly port: number };

/** What the bench tells a process that hosts agents. */
export type HostCommand =
  | {
      readonly command: "connect";
      readonly target: HostTarget;
      readonly from: number;
      readonly to: number;
      readonly inFlight: number;
    }
  | { readonly command: "disconnect"; readonly from: number; readonly to: number };

/** Instants are of the machine's monotonic clock, in ms, the same in all processes. */
export type HostReport =
  | { readonly report: "connected"; readonly agent: number; readonly atMs: number; readonly isReconnect: boolean }
  | { readonly report: "refused"; readonly agent: number; readonly reason: string }
  /** A new generation: the agent heard of it, fetched it, and its report of it was stored. */
  | {
      readonly report: "applied";
      readonly fabricId: string;
      readonly generation: string;
      readonly notifiedMs: number;
      readonly fetchedMs: number;
      readonly storedMs: number;
    }
  | { readonly report: "disconnected"; readonly from: number };

export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1_000_000;
}
