import type { StartOptions } from "@drawbridge/local/testing";

export interface DrillTimes {
  /** Life of every leaf: of agents, collectors and services. */
  readonly leafSeconds: number;
  /** Life of the leaves that services begin with; default that of every leaf. A slow machine takes its time to start. */
  readonly firstServiceLeafSeconds?: number;
  /** Default: so long that none rolls over in a drill. */
  readonly issuingCaSeconds?: number;
  /** How long an earlier certificate of a fabric is accepted beside its successor. */
  readonly supersededGraceSeconds?: number;
  /** Shortest phase of a rotation of the root, and how long an old root stays after its last leaf. */
  readonly rotationSeconds?: number;
}

/** Settings of a stack in which certificates live for seconds instead of days. */
export function drillSettings(times: DrillTimes): NonNullable<StartOptions["overrides"]> {
  const mode = { DRAWBRIDGE_LEAF_TTL_MODE: "drill" };
  const issuingCa =
    times.issuingCaSeconds === undefined ? {} : { DRAWBRIDGE_ISSUING_CA_TTL_SECONDS: String(times.issuingCaSeconds) };
  return {
    bootstrap: {
      ...mode,
      ...issuingCa,
      DRAWBRIDGE_LEAF_TTL_SECONDS: String(times.firstServiceLeafSeconds ?? times.leafSeconds),
    },
    "cert-authority": {
      ...mode,
      ...issuingCa,
      DRAWBRIDGE_LEAF_TTL_SECONDS: String(times.leafSeconds),
      DRAWBRIDGE_SUPERSEDED_GRACE_SECONDS: String(times.supersededGraceSeconds ?? 5),
      DRAWBRIDGE_ROTATION_GRACE_SECONDS: String(times.rotationSeconds ?? 3),
      DRAWBRIDGE_ROOT_RETIREMENT_DELAY_SECONDS: String(times.rotationSeconds ?? 3),
    },
    "monitoring-ingest": { DRAWBRIDGE_CHECK_IN_INTERVAL_MS: "250" },
  };
}
