import { scanEvents, type Bus } from "@drawbridge/bus";
import { DrawbridgeError } from "@drawbridge/errors";
import { createLoop, type Clock, type Component, type HealthCheck } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import { queueAway } from "./queue-watch.ts";

/** Fabrics whose tokens are good for nothing any more, although their time has not run out. */
export interface DeletedFabrics extends Component {
  /** @throws DrawbridgeError `ANALYTICS_FABRIC_DELETED` (permission_denied), `ANALYTICS_QUEUE_UNAVAILABLE` before it was read once */
  assertThere(fabricId: string): void;
  readonly health: HealthCheck;
}

const lookIntervalMs = 2_000;
/** A token lives an hour; this is for clocks and for queues. */
const rememberedMs = 6 * 3_600_000;

/**
 * What runtime-manager announced in the last days, read whole at the start and every two seconds after that: a deleted fabric
 * is refused within two seconds, also after a restart of this service, and by each of its replicas.
 */
export function createDeletedFabrics(deps: {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
}): DeletedFabrics {
  const { bus, clock, logger } = deps;
  const deletedAt = new Map<string, Date>();
  let nextSequence = 1;
  let isRead = false;
  let isAway = false;

  async function look(): Promise<void> {
    const scan = await scanEvents(bus, "runtime.fabric.deleted.v1", nextSequence);
    for (const { scope, occurredAt } of scan.events) deletedAt.set(scope, occurredAt);
    const { nextSequence: next } = scan;
    nextSequence = next;
    const forgetBefore = clock.now().getTime() - rememberedMs;
    for (const [fabricId, at] of deletedAt) if (at.getTime() < forgetBefore) deletedAt.delete(fabricId);
    if (!isRead) logger.info({ fabrics: deletedAt.size }, "deleted fabrics are known");
    isRead = true;
    isAway = false;
  }

  const loop = createLoop({
    name: "deleted fabrics",
    clock,
    intervalMs: lookIntervalMs,
    pass: look,
    onError: (error) => {
      if (!isAway) logger.warn({ err: error, [field.component]: "deleted fabrics" }, "deleted fabrics cannot be read");
      isAway = true;
    },
  });
  return {
    ...loop,
    health: () => (isRead ? undefined : "which fabrics were deleted is not known yet: gateways have to wait"),
    assertThere: (fabricId) => {
      if (!isRead) throw queueAway();
      if (!deletedAt.has(fabricId)) return;
      throw new DrawbridgeError({
        kind: "permission_denied",
        code: "ANALYTICS_FABRIC_DELETED",
        message: "the fabric of this token was deleted",
      });
    },
  };
}
