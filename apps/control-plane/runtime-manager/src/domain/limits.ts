import { DrawbridgeError } from "@drawbridge/errors";
import type { ArtefactRef, RolloutStrategy } from "./app.ts";
import { isUuid } from "./ids.ts";

export const limits = {
  replicas: 100,
  appsPerFabric: 1_000,
  environmentsPerFabric: 100,
  /** Revisions kept per app; older ones can no longer be rolled back to. */
  revisionsPerApp: 200,
  manifestBytes: 256 * 1024,
  shortTextCharacters: 200,
} as const;

/** @throws DrawbridgeError `REPLICAS_OUT_OF_RANGE` (invalid_argument) */
export function assertReplicas(replicas: number): number {
  if (Number.isInteger(replicas) && replicas >= 0 && replicas <= limits.replicas) return replicas;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "REPLICAS_OUT_OF_RANGE",
    message: `replicas must be 0 to ${limits.replicas}, not ${replicas}`,
  });
}

/** @throws DrawbridgeError `PUBLIC_PORT_INVALID` (invalid_argument) */
export function assertPublicPort(port: number): number {
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw invalid("PUBLIC_PORT_INVALID", `the public port must be 1 to 65535, or 0 for any, not ${port}`);
}

/** @throws DrawbridgeError `STRATEGY_INVALID` (invalid_argument) */
export function assertStrategy(strategy: RolloutStrategy): RolloutStrategy {
  const isBetween = (value: number, highest: number) => Number.isInteger(value) && value >= 1 && value <= highest;
  if (
    isBetween(strategy.maxSurge, 100) &&
    (strategy.readyTimeoutSeconds === 0 || isBetween(strategy.readyTimeoutSeconds, 3_600)) &&
    isBetween(strategy.drainTimeoutSeconds, 3_600)
  ) {
    return strategy;
  }
  throw invalid(
    "STRATEGY_INVALID",
    "max_surge must be 1 to 100, ready_timeout_seconds 0 to 3600, drain_timeout_seconds 1 to 3600",
  );
}

const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** @throws DrawbridgeError `ARTEFACT_INVALID` (invalid_argument) */
export function assertArtefact(artefact: ArtefactRef): ArtefactRef {
  if (digestPattern.test(artefact.digest) && artefact.path.startsWith("/") && artefact.path.length <= 300)
    return artefact;
  throw invalid("ARTEFACT_INVALID", 'an artefact needs a digest "sha256:<64 hex>" and a path that starts with "/"');
}

export function assertDigest(digest: string): string {
  if (digestPattern.test(digest)) return digest;
  throw invalid("ARTEFACT_INVALID", 'a digest is written "sha256:<64 hex>"');
}

/** @throws DrawbridgeError `REQUEST_ID_INVALID` (invalid_argument) */
export function assertRequestId(requestId: string): string {
  if (isUuid(requestId)) return requestId;
  throw invalid("REQUEST_ID_INVALID", "request_id must be a lower-case UUID");
}

/** @throws DrawbridgeError `TEXT_TOO_LONG` (invalid_argument) */
export function assertShortText(text: string, name: string, atMost: number = limits.shortTextCharacters): string {
  if (text.length <= atMost) return text;
  throw invalid("TEXT_TOO_LONG", `${name} must be at most ${atMost} characters`);
}

/** @throws DrawbridgeError `MANIFEST_INVALID` (invalid_argument) */
export function assertManifest(manifestJson: string): string {
  if (Buffer.byteLength(manifestJson) > limits.manifestBytes) {
    throw invalid("MANIFEST_INVALID", `the manifest must be at most ${limits.manifestBytes} bytes`);
  }
  try {
    const parsed: unknown = manifestJson === "" ? {} : JSON.parse(manifestJson);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return manifestJson;
  } catch {
    // said below, without the text
  }
  throw invalid("MANIFEST_INVALID", "the manifest must be a JSON object");
}

function invalid(code: string, message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code, message });
}
