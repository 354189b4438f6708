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
}

/** What to say about an app besides its conditions' times. */
type Verdict = Omit<Condition, "lastTransitionAt">;

export interface ReportInput {
  readonly wish: AppWish;
  readonly observed: ObservedApp | undefined;
  readonly progress: AppProgress | undefined;
  /** Conditions of the last report: their times stay where the status is the same. */
  readonly earlier: readonly Condition[];
  readonly now: Date;
}

export function reportApp({ wish, observed, progress, earlier, now }: ReportInput): AppReport {
  const readyReplicas = observed?.replicas.filter(({ state }) => state === "ready").length ?? 0;
  const phase = phaseOf({ wish, observed, progress, readyReplicas });
  const verdicts = [
    readyVerdict({ wish, observed, phase, readyReplicas }),
    progressingVerdict(phase, wish, progress),
    failedVerdict(phase, progress, observed),
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
  };
}

/** An app whose wish cannot be used: what ran before goes on. */
export function reportUnusable(
  app: UnusableApp,
  about: { readonly observed: ObservedApp | undefined; readonly earlier: readonly Condition[]; readonly now: Date },
): AppReport {
  const { observed, earlier, now } = about;
  const readyReplicas = observed?.replicas.filter(({ state }) => state === "ready").length ?? 0;
  const message = `the deployment cannot be used: ${app.problem}`;
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
  const count = `${readyReplicas} of ${wish.replicas} replicas are ready`;
  if (phase === "running") return { type: "Ready", status: "True", reason: "AllReplicasReady", message: count };
  if (phase === "stopped")
    return { type: "Ready", status: "False", reason: "Stopped", message: "the app is stopped, as desired" };
  const problem = observed && problemText(observed);
  if (problem)
    return { type: "Ready", status: "False", reason: problem.reason, message: `${count}; ${problem.message}` };
  const serving = observed?.servingRevision ?? 0n;
  if (phase === "progressing" && serving > 0n) {
    return {
      type: "Ready",
      status: readyReplicas > 0 ? "True" : "False",
      reason: "RollingOut",
      message: `${count}; revision ${serving} is serving`,
    };
  }
  return {
    type: "Ready",
    status: "False",
    reason: readyReplicas > 0 ? "SomeReplicasNotReady" : "NotReady",
    message: count,
  };
}

function progressingVerdict(phase: AppPhase, wish: AppWish, progress: AppProgress | undefined): Verdict {
  const isUnderWay = phase === "progressing" || phase === "pending";
  if (!isUnderWay) {
    const reason = phase === "failed" ? "RolloutFailed" : "RolloutComplete";
    return {
      type: "Progressing",
      status: "False",
      reason,
      message: `revision ${wish.revision} is not being rolled out`,
    };
  }
  const doing = progress?.key === wish.specDigest ? progress.state : "waiting";
  const texts: Readonly<Record<string, readonly [string, string]>> = {
    waiting: ["Queued", `revision ${wish.revision} waits for its turn`],
    fetching: ["FetchingBundle", `bundle and configuration of revision ${wish.revision} are being fetched`],
  };
  const [reason, message] = texts[doing] ?? ["RollingOut", `revision ${wish.revision} is being brought up`];
  return { type: "Progressing", status: "True", reason, message };
}

function failedVerdict(phase: AppPhase, progress: AppProgress | undefined, observed: ObservedApp | undefined): Verdict {
  if (progress?.state === "failed") {
    const serving = observed?.servingRevision ?? 0n;
    const stays = phase === "failed" && serving > 0n ? `; revision ${serving} goes on serving` : "";
    return { type: "Failed", status: "True", reason: progress.reason, message: `${progress.message}${stays}` };
  }
  return { type: "Failed", status: "False", reason: "None", message: "nothing failed" };
}

function problemText(observed: ObservedApp): { readonly reason: string; readonly message: string } | undefined {
  const [problem] = observed.problems;
  switch (problem?.kind) {
    case undefined:
      return undefined;
    case "crash_loop":
      return {
        reason: "CrashLoop",
        message: `replica ${problem.replicaId} was restarted ${problem.restarts} times (last: ${problem.lastExit || "unknown"})`,
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
