import { createLoop, type Clock, type Component } from "@drawbridge/lifecycle";
import type { Store } from "@drawbridge/store";
import type { Logger } from "@drawbridge/telemetry";
import type { RevocationRepository } from "../store/revocation-repository.ts";
import type { CertAuthorityDb } from "../store/schema.ts";
import { listAgain, unlistExpired } from "../store/listed-revocations.ts";
import { supersedeCertificates } from "../store/supersede-certificates.ts";

const intervalMs = 3_000;

/**
 * Every few seconds: certificates of fabrics whose successor has been in use for the grace time are revoked, and entries of
 * expired certificates leave the list, and come back to it if the clock was wrong.
 */
export function createSupersededJob(options: {
  readonly store: Pick<Store<CertAuthorityDb>, "db" | "transaction">;
  readonly revocations: Pick<RevocationRepository, "tell">;
  readonly graceSeconds: number;
  readonly clock: Clock;
  readonly logger: Logger;
}): Component {
  const { store, revocations, graceSeconds, clock, logger } = options;
  return createLoop({
    name: "superseded certificates",
    clock,
    intervalMs,
    pass: async (signal) => {
      for (let hasMore = true; hasMore && !signal.aborted;) {
        const now = clock.now();
        const activatedBefore = new Date(now.getTime() - graceSeconds * 1000);
        const result = await supersedeCertificates(store, { activatedBefore, now });
        if (result.revoked > 0) {
          revocations.tell();
          logger.info({ certificates: result.revoked }, "superseded certificates revoked");
        }
        hasMore = result.hasMore;
      }
      await unlistExpired(store, clock.now());
      const listedAgain = await listAgain(store, clock.now());
      if (listedAgain === 0) return;
      revocations.tell();
      logger.warn({ revocations: listedAgain }, "security: the clock was ahead, revocations are listed again");
    },
    onError: (error) => logger.warn({ err: error }, "superseded certificates could not be revoked, will retry"),
  });
}
