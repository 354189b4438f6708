import { DrawbridgeError } from "@drawbridge/errors";
import {
  defaultStrategy,
  type AppRecord,
  type ArtefactRef,
  type DesiredState,
  type Revision,
  type RolloutStrategy,
} from "./app.ts";
import type { AppWish } from "./app.ts";
import { assertPublicPort, assertReplicas, assertStrategy, limits } from "./limits.ts";
import type { AppId, FabricId } from "./ids.ts";
import { specDigest } from "./spec-digest.ts";

/** Facts of the command that go into whatever it changes. */
export interface CommandFacts {
  readonly requestId: string;
  readonly requestedBy: string;
  readonly traceparent: string;
  readonly now: Date;
}

export type ChangeAction = "deploy" | "start" | "stop" | "restart" | "scale" | "rollback" | "delete";

/** What a command comes to. `app` is the record after it. */
export type Change =
  | { readonly outcome: "unchanged"; readonly app: AppRecord }
  | {
      readonly outcome: "changed";
      readonly app: AppRecord;
      readonly action: ChangeAction;
      readonly revision?: Revision;
    };

export interface DeployInput {
  readonly bundle: ArtefactRef;
  readonly configuration: ArtefactRef | undefined;
  readonly version: string;
  readonly manifestJson: string;
  /** undefined keeps what the app has. */
  readonly replicas: number | undefined;
  readonly publicPort: number | undefined;
  readonly strategy: RolloutStrategy | undefined;
}

export interface FabricForDeploy {
  readonly fabricId: FabricId;
  readonly environments: readonly string[];
  /** Live apps there now. */
  readonly appCount: number;
}

export function planFirstDeploy(
  target: { readonly appId: AppId; readonly org: string; readonly environment: string; readonly name: string },
  fabric: FabricForDeploy,
  input: DeployInput,
  facts: CommandFacts,
): Change {
  assertEnvironmentOnFabric(target.environment, fabric);
  if (fabric.appCount >= limits.appsPerFabric) {
    throw new DrawbridgeError({
      kind: "resource_exhausted",
      code: "FABRIC_FULL",
      message: `the fabric has ${fabric.appCount} apps already; at most ${limits.appsPerFabric} are allowed`,
    });
  }
  const wish: AppWish = {
    appId: target.appId,
    name: target.name,
    environment: target.environment,
    generation: 1n,
    revision: 1n,
    version: input.version,
    desiredState: "running",
    replicas: assertReplicas(input.replicas ?? 1),
    restartNonce: "",
    bundle: input.bundle,
    configuration: input.configuration,
    publicPort: assertPublicPort(input.publicPort ?? 0),
    strategy: assertStrategy(input.strategy ?? defaultStrategy),
  };
  const app: AppRecord = {
    spec: { ...wish, specDigest: specDigest(wish), traceparent: facts.traceparent },
    org: target.org,
    fabricId: fabric.fabricId,
    manifestJson: input.manifestJson,
    createdAt: facts.now,
    updatedAt: facts.now,
    life: { state: "live" },
  };
  return { outcome: "changed", action: "deploy", app, revision: revisionOf(app, facts, "deploy") };
}

/** A deploy to an app that exists: a stopped app stays stopped, and what the input leaves open stays as it is. */
export function planDeploy(
  current: AppRecord,
  fabric: FabricForDeploy,
  input: DeployInput,
  facts: CommandFacts,
): Change {
  assertEnvironmentOnFabric(current.spec.environment, fabric);
  const { spec } = current;
  const isNewVersion =
    spec.version !== input.version ||
    spec.bundle.digest !== input.bundle.digest ||
    spec.configuration?.digest !== input.configuration?.digest;
  const wish: AppWish = {
    ...spec,
    version: input.version,
    bundle: input.bundle,
    configuration: input.configuration,
    replicas: assertReplicas(input.replicas ?? spec.replicas),
    publicPort: assertPublicPort(input.publicPort ?? spec.publicPort),
    strategy: assertStrategy(input.strategy ?? spec.strategy),
    revision: isNewVersion ? spec.revision + 1n : spec.revision,
  };
  const change = changeTo(current, wish, "deploy", facts, input.manifestJson);
  if (change.outcome === "unchanged" || !isNewVersion) return change;
  return { ...change, revision: revisionOf(change.app, facts, "deploy") };
}

export function planDesiredState(current: AppRecord, desiredState: DesiredState, facts: CommandFacts): Change {
  return changeTo(current, { ...current.spec, desiredState }, desiredState === "running" ? "start" : "stop", facts);
}

/** Every request restarts once: the nonce is the request's id. */
export function planRestart(current: AppRecord, facts: CommandFacts): Change {
  return changeTo(current, { ...current.spec, restartNonce: facts.requestId }, "restart", facts);
}

export function planScale(current: AppRecord, replicas: number, facts: CommandFacts): Change {
  return changeTo(current, { ...current.spec, replicas: assertReplicas(replicas) }, "scale", facts);
}

/** A new revision with an old one's bundle and configuration; nothing when those are deployed already. */
export function planRollback(current: AppRecord, target: Revision, facts: CommandFacts): Change {
  const { spec } = current;
  const isSame =
    spec.version === target.version &&
    spec.bundle.digest === target.bundle.digest &&
    spec.configuration?.digest === target.configuration?.digest;
  if (isSame) return { outcome: "unchanged", app: current };
  const wish: AppWish = {
    ...spec,
    revision: spec.revision + 1n,
    version: target.version,
    bundle: target.bundle,
    configuration: target.configuration,
  };
  const change = changeTo(current, wish, "rollback", facts, target.manifestJson);
  if (change.outcome === "unchanged") return change;
  return { ...change, revision: revisionOf(change.app, facts, `rollback to ${target.revision}`) };
}

/** Leaves a tombstone; deleting an app twice changes nothing. */
export function planDelete(current: AppRecord, facts: CommandFacts): Change {
  if (current.life.state === "deleting") return { outcome: "unchanged", app: current };
  return {
    outcome: "changed",
    action: "delete",
    app: {
      ...current,
      updatedAt: facts.now,
      life: { state: "deleting", deletedAt: facts.now, requestId: facts.requestId },
    },
  };
}

function changeTo(
  current: AppRecord,
  wish: AppWish,
  action: ChangeAction,
  facts: CommandFacts,
  manifestJson = current.manifestJson,
): Change {
  // Compared at the old generation: the digest covers everything that an agent could act on.
  if (specDigest({ ...wish, generation: current.spec.generation }) === currentDigest(current)) {
    return { outcome: "unchanged", app: current };
  }
  const next: AppWish = { ...wish, generation: current.spec.generation + 1n };
  return {
    outcome: "changed",
    action,
    app: {
      ...current,
      manifestJson,
      updatedAt: facts.now,
      spec: { ...next, specDigest: specDigest(next), traceparent: facts.traceparent },
    },
  };
}

/** Computed afresh, not read: the stored digest may come from an earlier release of this code. */
function currentDigest(current: AppRecord): string {
  return specDigest(current.spec);
}

function revisionOf(app: AppRecord, facts: CommandFacts, cause: string): Revision {
  const { revision, version, bundle, configuration } = app.spec;
  return {
    revision,
    version,
    bundle,
    configuration,
    manifestJson: app.manifestJson,
    createdAt: facts.now,
    requestedBy: facts.requestedBy,
    cause,
    servedAt: undefined,
  };
}

function assertEnvironmentOnFabric(environment: string, fabric: FabricForDeploy): void {
  if (fabric.environments.includes(environment)) return;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "ENVIRONMENT_NOT_ON_FABRIC",
    message: `the environment "${environment}" does not run on this fabric; it runs ${fabric.environments.join(", ")}`,
  });
}
