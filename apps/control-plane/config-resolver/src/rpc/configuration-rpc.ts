import { ConfigurationServiceService } from "@drawbridge/contracts/config/v1/configuration_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { bundlePath, configurationPath, parseArtefactDigest } from "../domain/artefact-digest.ts";
import type { BundleRecords } from "../domain/bundle-record.ts";
import type { Configurations } from "../domain/configurations.ts";

/** Like the proto says of an organisation slug. */
const orgPattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export function createConfigurationRpc(deps: {
  readonly configurations: Configurations;
  readonly bundles: Pick<BundleRecords, "find">;
}): GrpcServiceDefinition {
  const managementApi = [{ service: "management-api" }] as const;
  return defineGrpcService(ConfigurationServiceService, {
    allow: { putConfiguration: managementApi, getBundle: managementApi },
    handlers: {
      putConfiguration: async ({ org, properties, secureProperties, sealedProperties }) => {
        if (!orgPattern.test(org)) throw orgInvalid();
        const stored = await deps.configurations.put(org, { properties, secureProperties, sealedProperties });
        return { digest: stored.digest, sizeBytes: BigInt(stored.sizeBytes), path: configurationPath(stored.digest) };
      },
      getBundle: async (request) => {
        const digest = parseArtefactDigest(request.digest);
        const bundle = await deps.bundles.find(digest);
        if (bundle === undefined) throw bundleNotFound(digest);
        const { sizeBytes, manifestJson, storedAt } = bundle;
        return { digest, sizeBytes: BigInt(sizeBytes), manifestJson, storedAt, path: bundlePath(digest) };
      },
    },
  });
}

function bundleNotFound(digest: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "BUNDLE_NOT_FOUND",
    message: `there is no bundle ${digest}; upload it first`,
    details: { digest },
  });
}

function orgInvalid(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "ORG_INVALID",
    message: "org must be an organisation slug: lower-case letters, digits and hyphens, at most 63",
  });
}
