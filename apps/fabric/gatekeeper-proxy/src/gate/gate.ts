import type { GatekeeperLevel } from "@drawbridge/policies";
import type { Verdict } from "../workers/protocol.ts";

/** How the gate of one API of one deployment stands (docs/gatekeeper.md). */
export type GateState =
  /** Blocked: the set is not complete yet. */
  | { readonly state: "fetching" }
  /** Blocked: a complete set is being compiled by the workers. */
  | { readonly state: "applying"; readonly setId: string; readonly from: "platform" | "cache" }
  /** Blocked: the set that should be enforced cannot be. */
  | { readonly state: "policy_error"; readonly setId: string }
  /** Blocked: no connection, or nothing comes through it, and no set that this level may use. */
  | { readonly state: "offline" }
  /** Blocked: there is no such API instance. */
  | { readonly state: "unresolved" }
  /** Serving: enforced as the platform wants it, connected. */
  | { readonly state: "live"; readonly setId: string }
  /** Serving: opened without a connection. */
  | { readonly state: "cached"; readonly setId: string }
  /** Serving: was live, then the connection was lost, or nothing comes through it any more. */
  | { readonly state: "stale"; readonly setId: string }
  /** Serving: an earlier complete set, because the one that should be enforced cannot be. */
  | { readonly state: "degraded"; readonly setId: string; readonly badSetId: string }
  /** Level disabled only: no set yet, requests pass without policies. */
  | { readonly state: "open" };

export interface Gate {
  readonly gate: GateState;
  /** Closed since a start, a redeployment or a fault that closes: it opens only on a set that the level accepts. */
  readonly isEngaged: boolean;
  /** Monotonic; the connect deadline counts from here. */
  readonly engagedAtMs: number;
}

/** What the workers made of a set: all of them compiled it, or one of them could not. */
export type SetOutcome = "pending" | "applied" | "unusable";

export interface KnownSet {
  readonly setId: string;
  readonly outcome: SetOutcome;
}

/** What the platform wants enforced, as far as this process heard of it. Stays known when the connection is lost. */
export type Desired =
  | {
      readonly known: "incomplete";
      readonly missing: "root" | "entry" | "objects" | "contracts";
      /** Monotonic. */
      readonly sinceMs: number;
    }
  /** The platform says that there is no such API instance. */
  | { readonly known: "absent" }
  | ({ readonly known: "set" } & KnownSet);

/** What the disk has. */
export type Cached =
  | { readonly found: "none" | "corrupt" | "too_old" }
  /** The last complete set that the platform wanted, and the one before, if that was enforced. */
  | ({ readonly found: "set"; readonly before: KnownSet | undefined } & KnownSet);

/** What the platform last wanted must close the API if it cannot be enforced: by its level, always, or never. */
export type BlockOnEdit = "by_level" | "always" | "never";

export interface GateFacts {
  readonly level: GatekeeperLevel;
  readonly link: { readonly state: "connecting" | "up" | "down"; readonly sinceMs: number };
  /** The platform announced what is `desired`, or something older, in this session. False unless the link is up. */
  readonly isConfirmed: boolean;
  readonly desired: Desired;
  readonly cached: Cached;
  readonly nowMs: number;
  /** How long a connection has to bring a complete set before it counts as none. */
  readonly connectDeadlineMs: number;
  readonly blockOnEdit: BlockOnEdit;
}

/** Of a tracked resource that has just appeared: start, deploy, restart, roll-back, a new binding (rows 1-3). */
export function engagedGate(nowMs: number): Gate {
  return { gate: { state: "fetching" }, isEngaged: true, engagedAtMs: nowMs };
}

/** What the workers are to do with its requests. */
export function verdictOf({ gate }: Pick<Gate, "gate">): Verdict {
  switch (gate.state) {
    case "fetching":
    case "applying":
      return { verdict: "closed", reason: "initializing" };
    case "policy_error":
    case "offline":
    case "unresolved":
      return { verdict: "closed", reason: gate.state };
    case "live":
    case "cached":
    case "stale":
    case "degraded":
      return { verdict: "open", setId: gate.setId };
    case "open":
      return { verdict: "passthrough" };
  }
}

/** The set that is enforced. */
export function enforcedSet(gate: GateState): string | undefined {
  return "setId" in gate && gate.state !== "applying" && gate.state !== "policy_error" ? gate.setId : undefined;
}

/** Whether there is something to say to requests: all but the first moments of a gate (anchors/gateway.md 5.5, 8). */
export function isDecided(gate: GateState): boolean {
  return gate.state !== "fetching" && gate.state !== "applying";
}
