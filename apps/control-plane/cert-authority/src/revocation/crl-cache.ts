import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import { createRevocationList, type RevocationListReason, type SigningCa } from "@drawbridge/pki";
import { createHash } from "node:crypto";
import { fabricDeletedReason, supersededReason } from "../domain/revocation.ts";
import type { RevocationRepository, RevokedSerial } from "../store/revocation-repository.ts";

export interface CrlCacheDeps {
  /** The issuing CA that issues now. */
  readonly activeIssuerId: () => string;
  /** An issuing CA with its key; undefined if there is none with this id, or its key was destroyed. */
  readonly findIssuer: (issuerId: string) => Promise<SigningCa | undefined>;
  readonly revocations: Pick<RevocationRepository, "revokedBy" | "nextCrlNumber">;
  readonly clock: Clock;
}

/** A certificate revocation list (RFC 5280 5), and what a conditional request compares. */
export interface Crl {
  readonly der: Uint8Array;
  readonly etag: string;
  readonly thisUpdate: Date;
}

export interface CrlCache {
  /**
   * The list of an issuing CA, by default of the one that issues now; at most five seconds old.
   * @throws DrawbridgeError `CRL_ISSUER_NOT_FOUND` (not_found)
   */
  get(issuerId?: string): Promise<Crl>;
}

/** A new revocation is in the list after this at the latest. The event reaches our own services sooner. */
export const crlFreshForMs = 5_000;
/** Clients may use a list for a day, should this service be away. */
const validForMs = 86_400_000;

/**
 * The current lists, one per issuing CA: made on demand, at most once in five seconds however many ask. A list that would
 * say the same is made anew all the same: whoever compares `thisUpdate` sees that it is fresh.
 */
export function createCrlCache(deps: CrlCacheDeps): CrlCache {
  const current = new Map<string, { readonly crl: Promise<Crl>; readonly madeAtMs: number }>();

  async function make(issuerId: string): Promise<Crl> {
    const issuer = await deps.findIssuer(issuerId);
    if (!issuer) throw unknownIssuer();
    const thisUpdate = deps.clock.now();
    const revoked = await deps.revocations.revokedBy(issuerId, thisUpdate);
    const der = await createRevocationList({
      issuer,
      number: await deps.revocations.nextCrlNumber(),
      revoked: revoked.map(toCrlEntry),
      thisUpdate,
      nextUpdate: new Date(thisUpdate.getTime() + validForMs),
    });
    return { der, etag: `"${createHash("sha256").update(der).digest("base64url")}"`, thisUpdate };
  }

  return {
    get: async (issuerId = deps.activeIssuerId()) => {
      const nowMs = deps.clock.monotonicMs();
      const found = current.get(issuerId);
      if (found && nowMs - found.madeAtMs < crlFreshForMs) return found.crl;
      const made = { crl: make(issuerId), madeAtMs: nowMs };
      current.set(issuerId, made);
      made.crl.catch(() => {
        if (current.get(issuerId) === made) current.delete(issuerId); // a failure is not kept
      });
      return made.crl;
    },
  };
}

/** RFC 5280 5.3.1: an unspecified reason is left out. What an operator wrote cannot be one of the standard's. */
const crlReasons: ReadonlyMap<string, RevocationListReason> = new Map([
  [supersededReason, "superseded"],
  [fabricDeletedReason, "cessationOfOperation"],
]);

function toCrlEntry({ serialNumber, revokedAt, reason }: RevokedSerial) {
  const standard = crlReasons.get(reason);
  return standard === undefined ? { serialNumber, revokedAt } : { serialNumber, revokedAt, reason: standard };
}

function unknownIssuer(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "CRL_ISSUER_NOT_FOUND",
    message: "there is no issuing CA with this id, or it is retired: nothing under it is accepted any more",
  });
}
