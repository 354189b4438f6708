import type { UnitPhase, UnitWish } from "@drawbridge/app-routes";

/** One gateway of the fabric, whoever started it. */
export interface CurrentGatewayUnit {
  readonly unitId: string;
  /** Of the program and the settings that it was started with. */
  readonly template: string;
  readonly phase: UnitPhase;
  readonly hasShim: boolean;
  readonly hasProcess: boolean;
  readonly wish: UnitWish | undefined;
  readonly exits: number;
  readonly lastExit: string;
  /** It listens for every app that another gateway listens for. */
  readonly isServing: boolean;
}

export interface DesiredGateways {
  readonly replicas: number;
  readonly template: string;
}

export type GatewayStep =
  /** In a place that nobody has. */
  | { readonly action: "start"; readonly unitId: string }
  /** Its shim died: put a new one over the process, or start the process again. */
  | { readonly action: "recover"; readonly unitId: string }
  /** It takes no new requests and ends when those under way have. */
  | { readonly action: "retire"; readonly unitId: string }
  /** Long after its deadline. */
  | { readonly action: "kill"; readonly unitId: string };

/** A shim that has not ended its process so long after the deadline hangs. */
const hungAfterMs = 10_000;

/**
 * What to do next so that as many gateways run as are wanted, all of the present program and settings.
 *
 * Invariant: a gateway that is replaced goes only when one more than wanted runs and its successor listens for all that it
 * listens for: with its gates open as far as the others' are (`ListenerHold` of the gateway). What does not come up replaces nothing.
 */
export function planGateways(
  units: readonly CurrentGatewayUnit[],
  { replicas, template }: DesiredGateways,
  now: Date,
): readonly GatewayStep[] {
  const living = units.filter((unit) => !isOver(unit));
  const staying = living.filter(({ wish }) => wish === undefined);
  const fresh = staying.filter((unit) => unit.template === template);
  const old = staying.filter((unit) => unit.template !== template);
  const recoveries = living.filter(({ hasShim }) => !hasShim);
  const overdue = living.filter(
    ({ wish }) => wish !== undefined && now.getTime() > wish.deadlineAt.getTime() + hungAfterMs,
  );

  const room = replicas + (old.length > 0 ? 1 : 0) - staying.length;
  const starts = Math.max(0, Math.min(replicas - fresh.length, room));
  const isReplaced = fresh.filter(({ isServing }) => isServing).length + old.length - replicas;
  const leaving =
    old.length > 0
      ? byWorth(old).slice(Math.max(0, old.length - Math.max(0, isReplaced)))
      : byWorth(fresh).slice(replicas);
  return [
    ...recoveries.map(({ unitId }): GatewayStep => ({ action: "recover", unitId })),
    ...overdue.map(({ unitId }): GatewayStep => ({ action: "kill", unitId })),
    ...freePlaces(living, starts).map((unitId): GatewayStep => ({ action: "start", unitId })),
    ...leaving.map(({ unitId }): GatewayStep => ({ action: "retire", unitId })),
  ];
}

/** Nothing of it lives, and it is not one that would be started again. */
export function isOver({ hasShim, hasProcess, phase, wish }: CurrentGatewayUnit): boolean {
  return !hasShim && !hasProcess && (phase === "stopped" || wish !== undefined);
}

/** What comes last may go first: what does not serve, then the higher place. */
function byWorth(units: readonly CurrentGatewayUnit[]): readonly CurrentGatewayUnit[] {
  return units.toSorted(
    (left, right) => Number(right.isServing) - Number(left.isServing) || placeOf(left.unitId) - placeOf(right.unitId),
  );
}

function freePlaces(living: readonly CurrentGatewayUnit[], count: number): readonly string[] {
  const taken = new Set(living.map(({ unitId }) => unitId));
  const free: string[] = [];
  for (let place = 0; free.length < count; place += 1) {
    if (!taken.has(`gateway-${place}`)) free.push(`gateway-${place}`);
  }
  return free;
}

function placeOf(unitId: string): number {
  return Number(unitId.replace(/^\D+/, ""));
}
