import type { Drill } from "./drill.ts";

/** Every drill by its name; loaded when it is asked for. */
export const drills: Readonly<Record<string, () => Promise<Drill>>> = {
  "clock-jump": async () => (await import("./clock-jump/drill-clock-jump.ts")).drillClockJump,
  "clone-detection": async () => (await import("./clone-detection/drill-clone-detection.ts")).drillCloneDetection,
  "database-restore": async () => (await import("./database-restore/drill-database-restore.ts")).drillDatabaseRestore,
  "gatekeeper-matrix": async () =>
    (await import("./gatekeeper-matrix/drill-gatekeeper-matrix.ts")).drillGatekeeperMatrix,
  "kill-anything": async () => (await import("./kill-anything/drill-kill-anything.ts")).drillKillAnything,
  "offline-rotation": async () => (await import("./offline-rotation/drill-offline-rotation.ts")).drillOfflineRotation,
  "renewal-crash": async () => (await import("./renewal-crash/drill-renewal-crash.ts")).drillRenewalCrash,
  revocation: async () => (await import("./revocation/drill-revocation.ts")).drillRevocation,
  "telemetry-kill": async () => (await import("./telemetry/drill-telemetry-kill.ts")).drillTelemetryKill,
  "telemetry-outage": async () => (await import("./telemetry/drill-telemetry-outage.ts")).drillTelemetryOutage,
  smuggling: async () => (await import("./smuggling/drill-smuggling.ts")).drillSmuggling,
  "rotation-soak": async () => (await import("./rotation-soak/drill-rotation-soak.ts")).drillRotationSoak,
};
