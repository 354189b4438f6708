import type { Answer } from "./gate-load.ts";
import type { Level } from "./levels.ts";

/** How a gate stands, and who answers a request without credentials. */
export type Cell = readonly [state: string, answer: Answer];
type Row = Readonly<Record<Level, Cell>>;

const row = (strict: Cell, flexible: Cell, disabled: Cell): Row => ({ strict, flexible, disabled });
const all = (cell: Cell): Row => row(cell, cell, cell);

const live = all(["live", "policy"]);
const stale = all(["stale", "policy"]);

/** What must be after each event, by level (anchors/gateway.md 5.3; docs/gatekeeper.md). */
export const cells = {
  "deployed, and no such API yet": row(["unresolved", "gate"], ["unresolved", "gate"], ["open", "app"]),
  "API made": live,
  "gateway killed": live,
  "app redeployed": live,
  "policy edited": live,
  "agent killed after policies applied": stale,
  "gateway killed, agent away, cache there": row(["offline", "gate"], ["cached", "policy"], ["cached", "policy"]),
  "agent back": live,
  "gateway killed, agent away, cache gone": row(["offline", "gate"], ["offline", "gate"], ["open", "app"]),
  "agent back before policies applied": live,
  "gateway killed, agent away, cache corrupt": row(["offline", "gate"], ["offline", "gate"], ["open", "app"]),
  "agent back, cache was corrupt": live,
  "gateway killed, agent away, cache tampered with": row(["offline", "gate"], ["offline", "gate"], ["open", "app"]),
  "agent back, cache was tampered with": live,
  "gateway killed, agent away, cache written again": row(
    ["offline", "gate"],
    ["cached", "policy"],
    ["cached", "policy"],
  ),
  "agent back once more": live,
  "unusable policy added": row(["policy_error", "gate"], ["degraded", "policy"], ["degraded", "policy"]),
  "gateway killed, policy unusable": row(["policy_error", "gate"], ["policy_error", "gate"], ["degraded", "policy"]),
  "unusable policy removed": live,
  "API deleted": row(["unresolved", "gate"], ["unresolved", "gate"], ["open", "app"]),
} as const satisfies Readonly<Record<string, Row>>;

export type EventName = keyof typeof cells;
