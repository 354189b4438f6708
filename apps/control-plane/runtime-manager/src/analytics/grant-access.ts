import { createGrantSigner } from "@drawbridge/analytics-access";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import type { IdentityHolder } from "@drawbridge/pki";
import type { FabricId } from "../domain/ids.ts";

/** What gateways of a fabric need to report requests to analytics-ingest. */
export interface AnalyticsAccess {
  readonly token: string;
  readonly expiresAt: Date;
  readonly url: string;
}

/**
 * @throws DrawbridgeError `ANALYTICS_NOT_OFFERED` (failed_precondition) | `ANALYTICS_ACCESS_UNAVAILABLE` (unavailable)
 */
export type GrantAccess = (fabricId: FabricId) => Promise<AnalyticsAccess>;

/** Short, because a token cannot be called back: a fabric that was deleted may report for so long at most. */
const tokenTtlMs = 3_600_000;

export function createGrantAccess(deps: {
  /** Base URL of analytics-ingest; undefined: this control plane keeps no requests. */
  readonly url: string | undefined;
  readonly fabrics: {
    /** undefined for a fabric that is gone. */
    environments(fabricId: FabricId): Promise<readonly string[] | undefined>;
  };
  /** Signs. */
  readonly identity: Pick<IdentityHolder, "get">;
  readonly clock: Pick<Clock, "now">;
  readonly ids: IdSource;
}): GrantAccess {
  const { url, identity, clock, ids } = deps;
  const sign = createGrantSigner(() => identity.get());

  async function environmentsOf(fabricId: FabricId): Promise<readonly string[]> {
    const environments = await deps.fabrics.environments(fabricId).catch((cause: unknown) => {
      throw accessUnavailable(cause);
    });
    if (environments === undefined) throw accessUnavailable(undefined); // deleted since it was let in: next time it is not
    return environments;
  }

  return async (fabricId) => {
    if (url === undefined) throw notOffered();
    const environments = await environmentsOf(fabricId);
    const issuedAt = clock.now();
    // No longer than the certificate that it is verified with.
    const expiresAt = new Date(Math.min(issuedAt.getTime() + tokenTtlMs, identity.get().notAfter.getTime()));
    const token = sign({ fabricId, environments, issuedAt, expiresAt, tokenId: ids.next() });
    return { token, expiresAt, url };
  };
}

/** The record of fabrics cannot be read. */
export function accessUnavailable(cause: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "ANALYTICS_ACCESS_UNAVAILABLE",
    message: "access to analytics cannot be given now; try again",
    retryAfterMs: 2_000,
    cause,
  });
}

function notOffered(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "ANALYTICS_NOT_OFFERED",
    message: "this control plane keeps no requests of gateways",
  });
}
