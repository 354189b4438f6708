import type { GateStatus } from "@drawbridge/contracts/runtime/v1/gate";
import type { ObservedApp, ObservedReplica } from "../cluster/cluster-driver.ts";
import type { AppProgress } from "../control/app-progress.ts";
import { isAsWished } from "../control/plan-steps.ts";
import type { AppWish, UnusableApp } from "../desired/app-wish.ts";

export type AppPhase = "pending" | "progressing" | "running" | "stopped" | "failed" | "degraded";

export interface Condition {
  readonly type: "Ready" | "Progressing" | "Failed";
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionAt: Date;
}

/** What the agent says of one app. */
export interface AppReport {
  readonly appId: string;
  readonly name: string;
  readonly observedGeneration: bigint;
  readonly appliedDigest: string;
  readonly phase: AppPhase;
  readonly servingRevision: bigint;
  readonly readyReplicas: number;
  readonly replicas: readonly ObservedReplica[];
  readonly conditions: readonly Condition[];
  readonly endpoints: readonly string[];
  /** Of its tracked resources, as gateways say. */
  readonly gates: readonly GateStatus[];
}

/** What to say about an app besides its conditions' times. */
type Verdict = Omit<Condition, "lastTransitionAt">;

export interface ReportInput {
  readonly wish: AppWish;
  readonly observed: ObservedApp | undefined;
  readonly progress: AppProgress | undefined;
  readonly gates: readonly GateStatus[];
  /** Conditions of the last report: their times stay where the status is the same. */
  readonly earlier: readonly Condition[];
  readonly now: Date;
}

export function reportApp({ wish, observed, progress, gates, earlier, now }: ReportInput): AppReport {
  const readyReplicas = observed?.replicas.filter(({ state }) => state === "ready").length ?? 0;
  const phase = phaseOf({ wish, observed, progress, readyReplicas });
  const verdicts = [
    readyVerdict({ wish, observed, phase, readyReplicas }),
    progressingVerdict(phase, wish, progress),
    failedVerdict({ wish, phase, progress, observed }),
  ];
  return {
    appId: wish.appId,
    name: wish.name,
    observedGeneration: wish.generation,
    appliedDigest: observed?.appliedSpecDigest ?? "",
    phase,
    servingRevision: observed?.servingRevision ?? 0n,
    readyReplicas,
    replicas: observed?.replicas ?? [],
    conditions: withTimes(verdicts, earlier, now),
    endpoints: observed?.endpoints ?? [],
    gates,
  };
}

/** An app whose wish cannot be used: what ran before goes on. */
export function reportUnusable(
  app: UnusableApp,
  about: Pick<ReportInput, "observed" | "gates" | "earlier" | "now">,
): AppReport {
  const { observed, gates, earlier, now } = about;
  const readyReplicas = observed?.replicas.filter(({ state }) => state === "ready").length ?? 0;
  const message = `the deployment cannot be used: ${app.problem}; what ran before goes on. Correct it and deploy again`;
  return {
    appId: app.appId,
    name: app.name,
    observedGeneration: app.generation,
    appliedDigest: observed?.appliedSpecDigest ?? "",
    phase: "failed",
    servingRevision: observed?.servingRevision ?? 0n,
    readyReplicas,
    replicas: observed?.replicas ?? [],
    conditions: withTimes(
      [
        { type: "Ready", status: "False", reason: "SpecInvalid", message },
        { type: "Progressing", status: "False", reason: "SpecInvalid", message },
        { type: "Failed", status: "True", reason: "SpecInvalid", message },
      ],
      earlier,
      now,
    ),
    endpoints: observed?.endpoints ?? [],
    gates,
  };
}

interface Situation {
  readonly wish: AppWish;
  readonly observed: ObservedApp | undefined;
  readonly progress: AppProgress | undefined;
  readonly readyReplicas: number;
}

function phaseOf({ wish, observed, progress, readyReplicas }: Situation): AppPhase {
  const current = progress?.key === wish.specDigest ? progress : undefined;
  const isApplied = observed?.appliedSpecDigest === wish.specDigest;
  if (current?.state === "failed") return isApplied && readyReplicas > 0 ? "degraded" : "failed";
  // Already there from an earlier run of the agent, or being looked at again: that is no roll-out.
  if (current?.state === "applied" || (isApplied && isAsWished(wish, observed))) {
    return isApplied ? settledPhase(wish, observed, readyReplicas) : "progressing";
  }
  if (current === undefined || current.state === "waiting") return observed === undefined ? "pending" : "progressing";
  return "progressing";
}

function settledPhase(wish: AppWish, observed: ObservedApp, readyReplicas: number): AppPhase {
  if (wish.desiredState === "stopped") return observed.replicas.length === 0 ? "stopped" : "progressing";
  return readyReplicas >= wish.replicas && observed.problems.length === 0 ? "running" : "degraded";
}

function readyVerdict(about: {
  readonly wish: AppWish;
  readonly observed: ObservedApp | undefined;
  readonly phase: AppPhase;
  readonly readyReplicas: number;
}): Verdict {
  const { wish, observed, phase, readyReplicas } = about;
  const not = (reason: string, message: string): Verdict => ({ type: "Ready", status: "False", reason, message });
  const count = `${readyReplicas} of ${wish.replicas} replicas are ready`;
  const problem = observed && problemText(observed);
  const serving = observed?.servingRevision ?? 0n;
  switch (phase) {
    case "running":
      return { type: "Ready", status: "True", reason: "AllReplicasReady", message: count };
    case "stopped":
      return not("Stopped", "the app is stopped, as desired; start it to bring it back");
    case "failed":
      // Counts are of what serves, never of the revision that could not be brought up.
      return serving > 0n
        ? not(
            "EarlierRevisionServing",
            `revision ${wish.revision} is not in service (see Failed); ${readyReplicas} replicas of revision ${serving} are ready and serve`,
          )
        : not("NotReady", `nothing serves: revision ${wish.revision} could not be brought up (see Failed)`);
    case "pending":
    case "progressing":
      if (wish.desiredState === "stopped")
        return not(
          "Stopping",
          `the app is being stopped; ${observed?.replicas.length ?? 0} replicas have not ended yet`,
        );
      if (problem) return not(problem.reason, `${count}; ${problem.message}`);
      if (serving === 0n) return not("NotReady", `${count}; revision ${wish.revision} comes up (see Progressing)`);
      return {
        type: "Ready",
        status: readyReplicas > 0 ? "True" : "False",
        reason: "RollingOut",
        message: `revision ${serving} serves with ${readyReplicas} ready replicas until revision ${wish.revision} has taken its place`,
      };
    case "degraded":
      if (problem) return not(problem.reason, `${count}; ${problem.message}`);
      if (readyReplicas >= wish.replicas)
        return not("RepairFailed", `${count}, but the agent could not bring the app in order (see Failed)`);
      return not(
        readyReplicas > 0 ? "SomeReplicasNotReady" : "NotReady",
        `${count}; ${unreadyText(observed?.replicas ?? [])}`,
      );
  }
}

/** Which replicas are missing, and where to look. */
function unreadyText(replicas: readonly ObservedReplica[]): string {
  const named = replicas
    .filter(({ state }) => state !== "ready")
    .map(
      ({ replicaId, state, lastExit }) => `${replicaId} is ${state}${lastExit === "" ? "" : ` (last: ${lastExit})`}`,
    );
  const shown = named.slice(0, 3).join(", ");
  const more = named.length > 3 ? ` and ${named.length - 3} more` : "";
  if (named.length === 0) return "the others are gone and are being started again";
  return `${shown}${more}: the app's log says why, the agent starts it again by itself`;
}

function progressingVerdict(phase: AppPhase, wish: AppWish, progress: AppProgress | undefined): Verdict {
  const not = (reason: string, message: string): Verdict => ({ type: "Progressing", status: "False", reason, message });
  if (phase === "failed")
    return not(
      "RolloutFailed",
      `the roll-out of revision ${wish.revision} failed (see Failed); the agent tries again by itself`,
    );
  if (phase === "stopped") return not("RolloutComplete", "the app is stopped: nothing is being rolled out");
  if (phase === "running" || phase === "degraded")
    return not("RolloutComplete", `revision ${wish.revision} has been rolled out`);
  const doing = progress?.key === wish.specDigest ? progress.state : "waiting";
  const [reason, message] = progressText(doing, wish);
  return { type: "Progressing", status: "True", reason, message };
}

function progressText(doing: AppProgress["state"], wish: AppWish): readonly [reason: string, message: string] {
  if (doing === "waiting") return ["Queued", `revision ${wish.revision} waits for its turn behind other apps`];
  if (doing === "fetching")
    return ["FetchingBundle", `bundle and configuration of revision ${wish.revision} are being fetched`];
  if (wish.desiredState === "stopped") return ["Stopping", "the app is being stopped"];
  return ["RollingOut", `revision ${wish.revision} is being brought up; its replicas must become ready`];
}

function failedVerdict(about: {
  readonly wish: AppWish;
  readonly phase: AppPhase;
  readonly progress: AppProgress | undefined;
  readonly observed: ObservedApp | undefined;
}): Verdict {
  const { wish, phase, progress, observed } = about;
  // A failure of an earlier wish is over: what is wanted now has not been tried yet.
  if (progress?.state !== "failed" || progress.key !== wish.specDigest)
    return { type: "Failed", status: "False", reason: "None", message: "nothing has failed" };
  const serving = observed?.servingRevision ?? 0n;
  const stays = phase === "failed" && serving > 0n ? `; revision ${serving} goes on serving` : "";
  return {
    type: "Failed",
    status: "True",
    reason: progress.reason,
    message: `${progress.message.replace(/\.$/, "")}${stays}`,
  };
}

function problemText(observed: ObservedApp): { readonly reason: string; readonly message: string } | undefined {
  const [problem] = observed.problems;
  switch (problem?.kind) {
    case undefined:
      return undefined;
    case "crash_loop":
      return {
        reason: "CrashLoop",
        message: `replica ${problem.replicaId} was restarted ${problem.restarts} times (last: ${problem.lastExit || "unknown"}): its log says why; fix the app and deploy again, or roll back`,
      };
    case "gateway_down":
      return {
        reason: "GatewayDown",
        message: `the gateway does not run (last: ${problem.lastExit || "unknown"}), and nothing else may serve an app with tracked APIs: the log in its folder says why; the agent starts it again by itself`,
      };
    case "no_shared_port":
      return {
        reason: "NoSharedPort",
        message: `nothing listens for ${problem.hosts.join(", ")}: the fabric's operator opens a port for hosts with DRAWBRIDGE_GATEWAY_HTTP_LISTEN or DRAWBRIDGE_GATEWAY_HTTPS_LISTEN of the agent; the app's own port is served`,
      };
    case "port_in_use":
      return {
        reason: "PortInUse",
        message: `port ${problem.port} is in use${problem.holder === undefined ? "" : ` by ${problem.holder}`}: free it or deploy with another public port`,
      };
  }
}

function withTimes(verdicts: readonly Verdict[], earlier: readonly Condition[], now: Date): readonly Condition[] {
  return verdicts.map((verdict) => {
    const before = earlier.find(({ type }) => type === verdict.type);
    return { ...verdict, lastTransitionAt: before?.status === verdict.status ? before.lastTransitionAt : now };
  });
}
