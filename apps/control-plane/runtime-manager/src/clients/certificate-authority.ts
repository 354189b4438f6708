import type { AuthorityServiceService } from "@drawbridge/contracts/certs/v1/authority_service";
import {
  CertificateState,
  FabricProfile,
  type CertificateAuthorityServiceService,
  type CertificateRecord,
  type TrustBundle,
} from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { parseSpiffeId } from "@drawbridge/pki";
import type { GrpcClient } from "@drawbridge/rpc";
import type { CertificatePurpose } from "../domain/renewal.ts";
import type { RevocationDuty } from "../store/duties.ts";

export interface AuthorityRecord {
  readonly state: CertificateRecord["state"];
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly revokedAt: Date | undefined;
  /** Why it was revoked; empty if it was not. */
  readonly revocationReason: string;
}

/** Whose certificate is renewed, and with which key. */
export interface RenewalOrder {
  readonly requestId: string;
  readonly csrDer: Uint8Array;
  readonly purpose: CertificatePurpose;
  readonly org: string;
  readonly fabricId: string;
  readonly agentId: string;
}

export interface RenewedCertificate {
  /** Leaf first, then issuing CAs. */
  readonly certificatesDer: readonly Uint8Array[];
  /** Of the trust bundle at that time. */
  readonly trustBundleSequence: bigint;
}

/** The roots, and how an agent that does not believe us gets to them. */
export interface SignedTrustBundle extends Pick<TrustBundle, "sequence" | "rootsDer"> {
  /** Changes of the bundle, signed by its roots, oldest first. */
  readonly succession: readonly { readonly sequence: bigint; readonly jws: string }[];
}

export interface CertificateAuthority {
  /** The same order gets the same certificate again. @throws what the authority throws */
  renew(order: RenewalOrder): Promise<RenewedCertificate>;
  /** Whose monitoring certificate a serial number is: "unknown" to an authority that was restored from a backup. */
  findCollector(serialNumber: string): Promise<{ readonly fabricId: string } | "unknown" | "another kind">;
  /** Which of these a rotation of the CA wants renewed. */
  listOutdated(serialNumbers: readonly string[]): Promise<readonly string[]>;
  trustBundle(): Promise<SignedTrustBundle>;
  /** What the authority knows of a certificate that is used for the first time; unless it was revoked, it is active now. */
  introduce(serialNumber: string): Promise<AuthorityRecord>;
  revoke(duty: Pick<RevocationDuty, "fabricId" | "serialNumber" | "reason">): Promise<void>;
}

type Calls = GrpcClient<typeof CertificateAuthorityServiceService>["call"];

const patience = { idempotent: true, timeoutMs: 5_000 } as const;
/** Longer than the authority's own queue: a renewal has hours, and an agent that is told to come again comes again. */
const renewalPatience = { idempotent: true, timeoutMs: 15_000 } as const;

const profiles = {
  tunnel: FabricProfile.FABRIC_PROFILE_AGENT,
  monitoring: FabricProfile.FABRIC_PROFILE_COLLECTOR,
} as const satisfies Record<CertificatePurpose, FabricProfile>;

export function createCertificateAuthority(
  calls: Pick<
    Calls,
    "getCertificate" | "activateCertificate" | "revokeCertificates" | "issueFabricCertificate" | "getTrustBundle"
  >,
  authority: Pick<GrpcClient<typeof AuthorityServiceService>["call"], "listOutdatedCertificates">,
): CertificateAuthority {
  return {
    renew: async ({ purpose, agentId, csrDer, ...order }) => {
      const { certificate, trustBundle } = await calls.issueFabricCertificate(
        {
          ...order,
          csrDer: Buffer.from(csrDer),
          profile: profiles[purpose],
          subjectId: purpose === "tunnel" ? agentId : "",
        },
        renewalPatience,
      );
      if (!certificate || !trustBundle) throw answerInvalid();
      return {
        certificatesDer: [certificate.certificateDer, ...certificate.chainDer],
        trustBundleSequence: trustBundle.sequence,
      };
    },
    findCollector: async (serialNumber) => {
      try {
        const { certificate } = await calls.getCertificate({ serialNumber }, patience);
        const identity = parseSpiffeId(certificate?.spiffeId ?? "");
        return identity.kind === "collector" ? { fabricId: identity.fabricId } : "another kind";
      } catch (error) {
        if (isDrawbridgeError(error, "CERTIFICATE_NOT_FOUND")) return "unknown";
        throw error;
      }
    },
    listOutdated: async (serialNumbers) => {
      const found = await authority.listOutdatedCertificates({ serialNumbers: [...serialNumbers] }, patience);
      return found.serialNumbers;
    },
    trustBundle: async () => {
      const { trustBundle, succession } = await calls.getTrustBundle({}, patience);
      if (!trustBundle) throw answerInvalid();
      return { sequence: trustBundle.sequence, rootsDer: trustBundle.rootsDer, succession };
    },
    introduce: async (serialNumber) => {
      const { certificate } = await calls.getCertificate({ serialNumber }, patience);
      const record = recordFromProto(certificate);
      if (record.state !== CertificateState.CERTIFICATE_STATE_REVOKED) {
        await calls.activateCertificate({ serialNumber }, patience);
      }
      return record;
    },
    revoke: async ({ fabricId, serialNumber, reason }) => {
      const target =
        serialNumber === ""
          ? ({ $case: "fabricId", value: fabricId } as const)
          : ({ $case: "serialNumber", value: serialNumber } as const);
      await calls.revokeCertificates({ target, reason }, { idempotent: true });
    },
  };
}

function recordFromProto(certificate: CertificateRecord | undefined): AuthorityRecord {
  if (certificate?.notBefore && certificate.notAfter) {
    const { state, notBefore, notAfter, revokedAt, revocationReason } = certificate;
    return { state, notBefore, notAfter, revokedAt, revocationReason };
  }
  throw answerInvalid();
}

function answerInvalid(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "internal",
    code: "CERT_AUTHORITY_ANSWER_INVALID",
    message: "the certificate authority gave an answer without a certificate",
  });
}
