import type { Answer } from "./gate-load.ts";
import type { Level } from "./levels.ts";

/** How a gate stands, and who answers a request without credentials. */
export type Cell = readonly [state: string, answer: Answer];
type Row = Readonly<Record<Level, Cell>>;

const row = (strict: Cell, flexible: Cell, disabled: Cell): Row => ({ strict, flexible, disabled });
const all = (cell: Cell): Row => row(cell, cell, cell);

const live = all(["live", "policy"]);
const stale = all(["stale", "policy"]);
const fromCache = row(["offline", "gate"], ["cached", "policy"], ["cached", "policy"]);
const withoutCache = row(["offline", "gate"], ["offline", "gate"], ["open", "app"]);
const unresolved = row(["unresolved", "gate"], ["unresolved", "gate"], ["open", "app"]);
const unusableAtStart = row(["policy_error", "gate"], ["policy_error", "gate"], ["degraded", "policy"]);

/** What must be after each event, by level (anchors/gateway.md 5.3; docs/gatekeeper.md). */
export const cells = {
  "deployed, and no such API yet": unresolved,
  "API made": live,
  "gateway killed": live,
  "gateway stopped in order": live,
  "app redeployed": live,
  "app restarted": live,
  "app rolled back": live,
  "policy edited": live,
  "agent killed after policies applied": stale,
  "gateway killed, agent away, cache there": fromCache,
  "agent back": live,
  "gateway killed, agent away, cache gone": withoutCache,
  "agent back before policies applied": live,
  "gateway killed, agent away, cache corrupt": withoutCache,
  "agent back, cache was corrupt": live,
  "gateway killed, agent away, cache tampered with": withoutCache,
  "agent back, cache was tampered with": live,
  "gateway killed, agent away, cache written again": fromCache,
  "agent back once more": live,
  "gateway killed, agent hangs": fromCache,
  "agent goes on": live,
  "unusable policy added": row(["policy_error", "gate"], ["degraded", "policy"], ["degraded", "policy"]),
  "gateway killed, policy unusable": unusableAtStart,
  "agent killed, policy unusable": unusableAtStart,
  "gateway killed, agent away, policy unusable": row(
    ["offline", "gate"],
    ["policy_error", "gate"],
    ["degraded", "policy"],
  ),
  "agent back, policy unusable": unusableAtStart,
  "unusable policy removed": live,
  "contract revoked": live,
  "API deleted": unresolved,
} as const satisfies Readonly<Record<string, Row>>;

export type EventName = keyof typeof cells;

export const everyEvent = Object.keys(cells) as readonly EventName[]; // keys of a literal

/** One of each kind, in a minute. */
export const shortRound: readonly EventName[] = [
  "deployed, and no such API yet",
  "API made",
  "policy edited",
  "agent killed after policies applied",
  "gateway killed, agent away, cache there",
  "agent back",
  "unusable policy added",
  "unusable policy removed",
  "contract revoked",
  "API deleted",
];
