import { isDrawbridgeError } from "@drawbridge/errors";
import type { FabricCertificates } from "./redeem-activation.ts";

/** Certificates of deleted fabrics that cert-authority still has to be asked to revoke. */
export interface RevocationDuties {
  /** Serial numbers, oldest duty first; of one fabric, or of all. */
  list(options: { readonly fabricId: string | undefined; readonly limit: number }): Promise<readonly string[]>;
  done(serialNumber: string): Promise<void>;
}

/** Revoke what is owed, of one fabric or of all; a rejection leaves the rest for the next time. */
export type DischargeRevocations = (fabricId?: string) => Promise<void>;

const dutiesPerPass = 100;
const reason = "the fabric was deleted";

/** A duty is written with the fact that causes it and removed after cert-authority has answered: revoking is idempotent. */
export function createDischargeRevocations(deps: {
  readonly duties: RevocationDuties;
  readonly certificates: Pick<FabricCertificates, "revoke">;
}): DischargeRevocations {
  const { duties, certificates } = deps;

  async function revoke(serialNumber: string): Promise<void> {
    try {
      await certificates.revoke(serialNumber, reason);
    } catch (error) {
      // What cert-authority has no record of is trusted by nobody.
      if (!isDrawbridgeError(error, "CERTIFICATE_NOT_FOUND")) throw error;
    }
  }

  return async (fabricId) => {
    for (const serialNumber of await duties.list({ fabricId, limit: dutiesPerPass })) {
      await revoke(serialNumber);
      await duties.done(serialNumber);
    }
  };
}
