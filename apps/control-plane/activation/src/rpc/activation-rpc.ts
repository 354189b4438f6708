import {
  ActivationServiceService,
  type CertificateChain,
  type Endpoints,
} from "@drawbridge/contracts/activation/v1/activation_service";
import type { Clock } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { checkActivationRequest } from "../domain/activation-request.ts";
import type { IssuedChain } from "../domain/enrolment.ts";
import type { RedeemActivation } from "../domain/redeem-activation.ts";
import type { ActivationLimiter } from "./activation-limiter.ts";

/** ActivationService: anyone with a token, over one-way TLS. */
export function createActivationRpc(deps: {
  readonly redeemActivation: RedeemActivation;
  readonly limiter: ActivationLimiter;
  readonly trustBundle: () => TrustBundle;
  /** What agents dial from now on. */
  readonly endpoints: Endpoints;
  readonly clock: Clock;
}): GrpcServiceDefinition {
  return defineGrpcService(ActivationServiceService, {
    allow: { activate: ["anyone"] },
    handlers: {
      activate: async (message, { remoteAddress, signal }) => {
        deps.limiter.admit(remoteAddress);
        const request = await checkActivationRequest(message);
        const redeemed = await deps.redeemActivation(request, { remoteAddress, signal });
        const bundle = deps.trustBundle();
        return {
          fabricId: redeemed.fabricId,
          fabricName: redeemed.fabricName,
          agentId: redeemed.agentId,
          certificate: chainToProto(redeemed.certificate),
          monitoringCertificate: chainToProto(redeemed.monitoringCertificate),
          trustBundleSequence: bundle.sequence,
          trustBundleRootsDer: bundle.rootsDer.map((der) => Buffer.from(der)),
          trustDomain: bundle.trustDomain,
          endpoints: deps.endpoints,
          serverTime: deps.clock.now(),
          replayed: redeemed.isReplay,
          joinState: "",
        };
      },
    },
  });
}

function chainToProto(chain: IssuedChain): CertificateChain {
  return { serialNumber: chain.serialNumber, certificatesDer: [...chain.certificatesDer], notAfter: chain.notAfter };
}
