import { type Manifest, parseManifest } from "@drawbridge/bundle";
import type { GetBundleResponse } from "@drawbridge/contracts/config/v1/configuration_service";
import type { ArtefactRef } from "@drawbridge/contracts/runtime/v1/app";
import type { App, AppName } from "@drawbridge/contracts/runtime/v1/app_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { z } from "zod";
import {
  configurationBytes,
  declaresSameProperties,
  differingProperties,
  type GivenConfiguration,
  nothingGiven,
  planConfiguration,
} from "../domain/configuration-plan.ts";
import { takeGatekeeper } from "../domain/gatekeeper-property.ts";
import { required } from "./adapters/values.ts";
import { requestInvalid } from "./parse-input.ts";
import type { deployBody } from "./schemas/app.ts";
import type { RouteServices } from "./services.ts";

export interface DeployRequest {
  readonly environment: string;
  readonly name: string;
  readonly body: z.output<typeof deployBody>;
  readonly requestId: string;
  readonly requestedBy: string;
  readonly signal: AbortSignal;
}

type Deps = Pick<RouteServices, "apps" | "configuration" | "org">;

/** 1 MiB, as config-resolver takes. */
const maxConfigurationBytes = 1024 * 1024;

/**
 * Deploy a version of an app: read its manifest, check name and configuration against it, store the configuration, then
 * tell runtime-manager. Each step may run twice, so that a request repeated with the same id ends in one revision.
 */
export async function deployApp(deps: Deps, request: DeployRequest): Promise<App> {
  const { apps, configuration, org } = deps;
  const { body, signal } = request;
  const options = { signal, idempotent: true };
  const app: AppName = { org, environment: request.environment, name: request.name };

  const bundle = await configuration.getBundle({ digest: body.bundleDigest }, options);
  const manifest = readManifest(bundle);
  if (manifest.name !== request.name) throw nameMismatch(request.name, manifest.name);
  const { level, properties } = takeGatekeeper(body.properties);
  const own = { ...request, body: { ...body, properties } };
  const configured = await storeConfiguration(deps, { request: own, manifest, app });

  const answer = await apps.deployApp(
    {
      requestId: request.requestId,
      app,
      fabric: body.fabric ?? "",
      bundle: { digest: bundle.digest, sizeBytes: bundle.sizeBytes, path: bundle.path },
      manifestJson: bundle.manifestJson,
      version: manifest.version,
      configuration: configured,
      replicas: body.replicas,
      publicPort: body.publicPort,
      routes: body.routes && { routes: body.routes },
      strategy: body.strategy,
      requestedBy: request.requestedBy,
      gatekeeper: body.gatekeeper === undefined ? level : (body.gatekeeper ?? ""),
    },
    options,
  );
  return required("app", answer.app);
}

interface ConfigurationStep {
  readonly request: DeployRequest;
  readonly manifest: Manifest;
  readonly app: AppName;
}

/**
 * The configuration of the new revision. Properties of any kind in the request replace all earlier ones; a request without
 * any keeps the earlier configuration as it is.
 */
async function storeConfiguration(deps: Deps, step: ConfigurationStep): Promise<ArtefactRef | undefined> {
  const { properties, secureProperties } = step.request.body;
  if (properties === undefined && secureProperties === undefined) return keepConfiguration(deps, step);
  return put(deps, step, { properties: properties ?? {}, secureProperties: secureProperties ?? {} });
}

async function keepConfiguration(deps: Deps, step: ConfigurationStep): Promise<ArtefactRef | undefined> {
  const { manifest, app } = step;
  const earlier = await findApp(deps, app, step.request.signal);
  const kept = earlier?.spec?.configuration;
  if (!earlier || !kept) return put(deps, step, nothingGiven);
  const before = parseManifest(earlier.manifestJson);
  if (declaresSameProperties(before, manifest)) return kept;
  // Nobody here can read the earlier values. If they were the defaults and nothing else, storing those again gives the
  // same digest, and the new defaults take their place.
  const defaults = planConfiguration(before, nothingGiven);
  if (defaults.action === "store" && (await store(deps, step, defaults.configuration)).digest === kept.digest) {
    return put(deps, step, nothingGiven);
  }
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "CONFIGURATION_REQUIRED",
    message: `version ${manifest.version} declares other properties than ${before.version} (${differingProperties(before, manifest).slice(0, 20).join(", ")}), so that the earlier values cannot be kept: give all properties with this deploy`,
  });
}

/** @throws DrawbridgeError `CONFIGURATION_INVALID` | `CONFIGURATION_TOO_LARGE` */
async function put(deps: Deps, step: ConfigurationStep, given: GivenConfiguration): Promise<ArtefactRef | undefined> {
  const plan = planConfiguration(step.manifest, given);
  switch (plan.action) {
    case "none":
      return undefined;
    case "refuse":
      throw requestInvalid(plan.problems, "CONFIGURATION_INVALID");
    case "store":
      return store(deps, step, plan.configuration);
  }
}

async function store(deps: Deps, step: ConfigurationStep, given: GivenConfiguration): Promise<ArtefactRef> {
  if (configurationBytes(given) > maxConfigurationBytes) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "CONFIGURATION_TOO_LARGE",
      message: "the configuration is larger than 1 MiB; put large values into the bundle or a store of the app's own",
    });
  }
  const request = {
    org: deps.org,
    properties: { ...given.properties },
    secureProperties: { ...given.secureProperties },
    sealedProperties: {},
  };
  const { digest, sizeBytes, path } = await deps.configuration.putConfiguration(request, {
    signal: step.request.signal,
    idempotent: true,
  });
  return { digest, sizeBytes, path };
}

async function findApp(deps: Deps, app: AppName, signal: AbortSignal): Promise<App | undefined> {
  try {
    return (await deps.apps.getApp({ app }, { signal, idempotent: true })).app;
  } catch (error) {
    if (isDrawbridgeError(error, "APP_NOT_FOUND")) return undefined;
    throw error;
  }
}

/** A stored bundle's manifest was valid when it was stored. */
function readManifest(bundle: GetBundleResponse): Manifest {
  return parseManifest(bundle.manifestJson);
}

function nameMismatch(asked: string, declared: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "APP_NAME_MISMATCH",
    message: `the request deploys the app "${asked}", but the bundle's manifest names it "${declared}"; use that name or change the manifest`,
    details: { asked, declared },
  });
}
