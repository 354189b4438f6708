import { ConfigurationServiceService } from "@drawbridge/contracts/apis/v1/configuration_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { createJwsSigner, type IdentityHolder, type IdentitySnapshot } from "@drawbridge/pki";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { assertFabricId } from "../domain/limits.ts";
import type { ConfigurationReader } from "../store/configuration-reader.ts";

const rootJwsType = "drawbridge-apis+jws";
const objectsAtOnce = 256;
const digestBytes = 32;
/** As the proto says. */
const answerBytes = 4 * 1024 * 1024;

export function createConfigurationRpc(reader: ConfigurationReader, identity: IdentityHolder): GrpcServiceDefinition {
  const runtimeManager = [{ service: "runtime-manager" }] as const;
  let signing: { readonly identity: IdentitySnapshot; readonly sign: (payload: Uint8Array) => string } | undefined;

  /** With the identity in use: a new one has a new key. */
  function sign(payload: Uint8Array): string {
    const current = identity.get();
    if (signing?.identity !== current) {
      signing = { identity: current, sign: createJwsSigner({ signer: current, type: rootJwsType }) };
    }
    return signing.sign(payload);
  }

  return defineGrpcService(ConfigurationServiceService, {
    allow: { getRoot: runtimeManager, getObjects: runtimeManager },
    handlers: {
      getRoot: async ({ fabricId, haveDigest }) => {
        const root = await reader.root(assertFabricId(fabricId));
        if (!root) throw notReady();
        const { revision, digest, payload } = root;
        const notModified = haveDigest === digest;
        return { notModified, revision, digest, rootJws: notModified ? "" : sign(payload) };
      },
      getObjects: async ({ fabricId, digests }) => {
        const isWellFormed =
          digests.length >= 1 &&
          digests.length <= objectsAtOnce &&
          digests.every(({ byteLength }) => byteLength === digestBytes);
        if (!isWellFormed) throw digestsInvalid();
        const objects = await reader.objects(
          assertFabricId(fabricId),
          digests.map((digest) => Buffer.from(digest)),
          answerBytes,
        );
        if (!objects) throw objectUnknown();
        return { objects: [...objects] };
      },
    },
  });
}

function notReady(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "API_CONFIGURATION_NOT_READY",
    message: "no configuration was published for this fabric yet; try again",
    retryAfterMs: 2_000,
  });
}

function objectUnknown(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "API_OBJECT_UNKNOWN",
    message:
      "the fabric's current configuration does not hold this object, nor does the one before; fetch the root again",
  });
}

function digestsInvalid(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "API_OBJECT_DIGESTS_INVALID",
    message: `ask for 1 to ${objectsAtOnce} objects by digests of ${digestBytes} bytes`,
  });
}
