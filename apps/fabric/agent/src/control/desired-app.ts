import { checkPropertyValue, validateConfiguration, type ConfigurationProblem } from "@drawbridge/bundle";
import { DrawbridgeError } from "@drawbridge/errors";
import type { StoredBundle } from "../artefacts/bundle-store.ts";
import type { AppConfiguration } from "../artefacts/configuration-store.ts";
import type { DesiredApp } from "../cluster/cluster-driver.ts";
import type { AppWish } from "../desired/app-wish.ts";

/**
 * A wish with everything in hand, as a driver takes it. Configuration is checked against the manifest of the very bundle
 * that is going to run: the control plane did so too, but this is the last place before the app starts.
 * @throws DrawbridgeError `CONFIGURATION_INVALID` (invalid_argument); names properties, never values
 */
export function desiredAppOf(
  wish: AppWish,
  bundle: StoredBundle,
  configuration: AppConfiguration | undefined,
): DesiredApp {
  const { manifest } = bundle;
  const secrets = configuration?.secureProperties ?? {};
  const verdict = validateConfiguration(manifest, configuration?.properties ?? {}, Object.keys(secrets));
  if (verdict.outcome === "invalid") throw invalid(verdict.problems);
  const secretProblems = Object.entries(secrets).flatMap(([name, value]): readonly ConfigurationProblem[] => {
    const message = checkPropertyValue(manifest, name, value);
    return message === undefined ? [] : [{ field: name, message }];
  });
  if (secretProblems.length > 0) throw invalid(secretProblems);
  return {
    appId: wish.appId,
    name: wish.name,
    environmentName: wish.environment,
    generation: wish.generation,
    revision: wish.revision,
    specDigest: wish.specDigest,
    desiredState: wish.desiredState,
    replicas: wish.replicas,
    restartNonce: wish.restartNonce,
    publicPort: wish.publicPort,
    hosts: wish.hosts,
    strategy: {
      ...wish.pace,
      readyTimeoutSeconds: wish.pace.readyTimeoutSeconds ?? manifest.readiness.timeoutSeconds,
    },
    bundleDigest: wish.bundle.digest,
    bundleDirectory: bundle.directory,
    manifest,
    gatekeeper: wish.gatekeeper,
    environment: verdict.values,
    secrets,
  };
}

function invalid(problems: readonly ConfigurationProblem[]): DrawbridgeError {
  const list = problems.map(({ field, message }) => `${field} ${message}`).join("; ");
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "CONFIGURATION_INVALID",
    message: `the configuration does not fit the bundle: ${list}`,
  });
}
