import { DesiredState, Snapshot, type AppSpec, type ArtefactRef } from "@drawbridge/contracts/runtime/v1/app";
import { DrawbridgeError } from "@drawbridge/errors";
import type { AppWish, Artefact, DesiredSnapshot, GatekeeperSetting, RolloutPace, UnusableApp } from "./app-wish.ts";

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const namePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** As runtime-manager takes them; a wildcard stands for the first label. */
const hostPattern = /^(?:\*\.)?[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*$/;
const routePathPattern = /^\/$|^(?:\/[A-Za-z0-9._~-]+)+$/;
const maxHosts = 50;
const digestPattern = /^sha256:[0-9a-f]{64}$/;
const pathPattern = /^\/v1\/(bundles|configurations)\/sha256:[0-9a-f]{64}$/;
/** 2 GiB, the limit of config-resolver. */
const maxBundleBytes = 2 * 1024 ** 3;
const maxConfigurationBytes = 4 * 1024 ** 2;

const defaultPace: RolloutPace = { maxSurge: 1, readyTimeoutSeconds: undefined, drainTimeoutSeconds: 25 };

/**
 * The signed bytes of a snapshot as a wish. An app whose spec makes no sense lands in `unusable` and fails alone.
 * @throws DrawbridgeError `SNAPSHOT_MALFORMED` (data_loss)
 */
export function snapshotFromPayload(payload: string, digest: string): DesiredSnapshot {
  let snapshot: Snapshot;
  try {
    snapshot = Snapshot.fromJSON(JSON.parse(payload));
  } catch (error) {
    throw malformed("it is not protobuf JSON of a snapshot", error);
  }
  const ids = [...snapshot.apps, ...snapshot.tombstones].map(({ appId }) => appId);
  if (ids.some((appId) => !uuidPattern.test(appId))) throw malformed("an app has no proper id");
  if (new Set(ids).size !== ids.length) throw malformed("an app is named twice");

  const apps: AppWish[] = [];
  const unusable: UnusableApp[] = [];
  for (const spec of snapshot.apps) {
    const checked = checkSpec(spec);
    if ("problem" in checked) unusable.push(checked);
    else apps.push(checked);
  }
  return {
    fabricId: snapshot.fabricId,
    incarnationId: snapshot.incarnationId,
    generation: snapshot.generation,
    digest,
    isComplete: snapshot.complete,
    apps,
    unusable,
    tombstones: snapshot.tombstones.map(({ appId, name }) => ({ appId, name })),
    pruneToken: snapshot.pruneToken,
  };
}

function checkSpec(spec: AppSpec): AppWish | UnusableApp {
  const { appId, name, generation } = spec;
  const unusable = (problem: string): UnusableApp => ({ appId, name, generation, problem });
  const bundle = spec.bundle && checkArtefact(spec.bundle, maxBundleBytes);
  const configuration = spec.configuration && checkArtefact(spec.configuration, maxConfigurationBytes);
  if (!namePattern.test(name)) return unusable("its name is not a valid app name");
  if (!namePattern.test(spec.environment)) return unusable("its environment is not a valid name");
  if (
    spec.desiredState !== DesiredState.DESIRED_STATE_RUNNING &&
    spec.desiredState !== DesiredState.DESIRED_STATE_STOPPED
  ) {
    return unusable(
      "it does not say whether it should run: a newer control plane may want something this agent does not know",
    );
  }
  if (!bundle) return unusable("its bundle has no proper digest and path");
  if (spec.configuration && !configuration) return unusable("its configuration has no proper digest and path");
  if (spec.replicas > 100) return unusable(`it asks for ${spec.replicas} replicas; the limit is 100`);
  if (spec.publicPort > 65_535) return unusable(`${spec.publicPort} is not a port`);
  if (spec.routes.length > maxHosts)
    return unusable(`it asks for ${spec.routes.length} hosts; the limit is ${maxHosts}`);
  const wrong = spec.routes.find(({ host, path }) => !hostPattern.test(host) || !routePathPattern.test(path));
  if (wrong) return unusable("it asks for a host or path that is none");
  if (!digestPattern.test(spec.specDigest)) return unusable("its spec digest is not a SHA-256");
  return {
    appId,
    name,
    environment: spec.environment,
    generation,
    revision: spec.revision,
    version: spec.version,
    desiredState: spec.desiredState === DesiredState.DESIRED_STATE_RUNNING ? "running" : "stopped",
    replicas: spec.replicas,
    restartNonce: spec.restartNonce,
    bundle,
    configuration,
    publicPort: spec.publicPort,
    hosts: spec.routes.map(({ host, path }) => ({ host, path })),
    pace: paceOf(spec),
    gatekeeper: gatekeeperOf(spec),
    specDigest: spec.specDigest,
    traceparent: spec.traceparent,
  };
}

/** What is set where this agent does not know of counts as set for the app. */
function gatekeeperOf({ gatekeeper, gatekeeperSource }: AppSpec): GatekeeperSetting {
  const isWider = gatekeeperSource === "environment" || gatekeeperSource === "fabric";
  return { value: gatekeeper.slice(0, maxGatekeeperCharacters), origin: isWider ? gatekeeperSource : "app" };
}
const maxGatekeeperCharacters = 100;

function checkArtefact(ref: ArtefactRef, maxBytes: number): Artefact | undefined {
  if (!digestPattern.test(ref.digest) || !pathPattern.test(ref.path) || !ref.path.endsWith(ref.digest))
    return undefined;
  if (ref.sizeBytes < 1n || ref.sizeBytes > BigInt(maxBytes)) return undefined;
  return { digest: ref.digest, sizeBytes: Number(ref.sizeBytes), path: ref.path };
}

function paceOf({ strategy }: AppSpec): RolloutPace {
  if (!strategy) return defaultPace;
  return {
    maxSurge: clamp(strategy.maxSurge, 100) ?? defaultPace.maxSurge,
    readyTimeoutSeconds: clamp(strategy.readyTimeoutSeconds, 3_600),
    drainTimeoutSeconds: clamp(strategy.drainTimeoutSeconds, 3_600) ?? defaultPace.drainTimeoutSeconds,
  };
}

/** 0 means "not set" in protobuf. */
function clamp(value: number, max: number): number | undefined {
  return value === 0 ? undefined : Math.min(value, max);
}

function malformed(what: string, cause?: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "data_loss",
    code: "SNAPSHOT_MALFORMED",
    message: `the signed snapshot cannot be read: ${what}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
