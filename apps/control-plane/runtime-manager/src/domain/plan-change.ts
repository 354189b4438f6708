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
import { assertRoutes, type AppRoute } from "./app-route.ts";
import { assertGatekeeper, type GatekeeperValues } from "./gatekeeper.ts";
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
  readonly routes: readonly AppRoute[] | undefined;
  readonly strategy: RolloutStrategy | undefined;
  /** "" takes it away. */
  readonly gatekeeper: string | undefined;
}

export interface FabricForDeploy {
  /** What is set for the app's environment and for the fabric. */
  readonly gatekeeper: Pick<GatekeeperValues, "environment" | "fabric">;
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
    routes: assertRoutes(input.routes ?? []),
    strategy: assertStrategy(input.strategy ?? defaultStrategy),
  };
  const app: AppRecord = {
    spec: { ...wish, specDigest: specDigest(wish), traceparent: facts.traceparent },
    org: target.org,
    fabricId: fabric.fabricId,
    manifestJson: input.manifestJson,
    gatekeeper: gatekeeperFor(target.name, input, { ...fabric.gatekeeper, app: "" }),
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
    routes: input.routes === undefined ? spec.routes : assertRoutes(input.routes),
    strategy: assertStrategy(input.strategy ?? spec.strategy),
    revision: isNewVersion ? spec.revision + 1n : spec.revision,
  };
  const gatekeeper = gatekeeperFor(spec.name, input, current.gatekeeper);
  const change = changeTo({ current, wish, action: "deploy", gatekeeper, manifestJson: input.manifestJson }, facts);
  if (change.outcome === "unchanged" || !isNewVersion) return change;
  return { ...change, revision: revisionOf(change.app, facts, "deploy") };
}

export function planDesiredState(current: AppRecord, desiredState: DesiredState, facts: CommandFacts): Change {
  const action = desiredState === "running" ? "start" : "stop";
  return changeTo({ current, wish: { ...current.spec, desiredState }, action }, facts);
}

/** Every request restarts once: the nonce is the request's id. */
export function planRestart(current: AppRecord, facts: CommandFacts): Change {
  return changeTo({ current, wish: { ...current.spec, restartNonce: facts.requestId }, action: "restart" }, facts);
}

export function planScale(current: AppRecord, replicas: number, facts: CommandFacts): Change {
  const wish = { ...current.spec, replicas: assertReplicas(replicas) };
  return changeTo({ current, wish, action: "scale" }, facts);
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
  const { manifestJson } = target;
  assertGatekeeper(current.gatekeeper, { name: spec.name, manifestJson });
  const change = changeTo({ current, wish, action: "rollback", manifestJson }, facts);
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

/** What is set for the app after a deploy; valid for the version that is deployed. */
function gatekeeperFor(
  name: string,
  { gatekeeper, manifestJson }: DeployInput,
  earlier: GatekeeperValues,
): GatekeeperValues {
  const values = { ...earlier, app: gatekeeper ?? earlier.app };
  assertGatekeeper(values, { name, manifestJson });
  return values;
}

function changeTo(
  change: {
    readonly current: AppRecord;
    readonly wish: AppWish;
    readonly action: ChangeAction;
    /** Default: as they are. */
    readonly manifestJson?: string;
    readonly gatekeeper?: GatekeeperValues;
  },
  facts: CommandFacts,
): Change {
  const { current, wish, action } = change;
  const { manifestJson, gatekeeper } = { ...current, ...change };
  // Compared at the old generation: the digest covers everything that an agent acts on at once.
  const isSame = specDigest({ ...wish, generation: current.spec.generation }) === currentDigest(current);
  if (isSame && gatekeeper.app === current.gatekeeper.app) return { outcome: "unchanged", app: current };
  const next: AppWish = { ...wish, generation: current.spec.generation + 1n };
  return {
    outcome: "changed",
    action,
    app: {
      ...current,
      manifestJson,
      gatekeeper,
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
