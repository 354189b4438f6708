import type {
  ActivateResponse,
  CertificateChain,
  Endpoints,
} from "@drawbridge/contracts/activation/v1/activation_service";
import type { TrustBundle } from "@drawbridge/pki";
import type { IssuedChain } from "../domain/enrolment.ts";
import type { Redeemed } from "../domain/redeem-activation.ts";

/** An identity as an agent gets it, by activation or by recovery. */
export function identityToProto(
  redeemed: Redeemed,
  about: { readonly bundle: TrustBundle; readonly endpoints: Endpoints; readonly now: Date },
): ActivateResponse {
  const { bundle, endpoints, now } = about;
  return {
    fabricId: redeemed.fabricId,
    fabricName: redeemed.fabricName,
    agentId: redeemed.agentId,
    certificate: chainToProto(redeemed.certificate),
    monitoringCertificate: chainToProto(redeemed.monitoringCertificate),
    trustBundleSequence: bundle.sequence,
    trustBundleRootsDer: bundle.rootsDer.map((der) => Buffer.from(der)),
    trustDomain: bundle.trustDomain,
    endpoints,
    serverTime: now,
    replayed: redeemed.isReplay,
    joinState: redeemed.joinState,
  };
}

function chainToProto(chain: IssuedChain): CertificateChain {
  return { serialNumber: chain.serialNumber, certificatesDer: [...chain.certificatesDer], notAfter: chain.notAfter };
}
