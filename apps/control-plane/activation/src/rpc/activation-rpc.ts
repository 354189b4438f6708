import { ActivationServiceService, type Endpoints } from "@drawbridge/contracts/activation/v1/activation_service";
import type { Clock } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { checkActivationRequest } from "../domain/activation-request.ts";
import type { RedeemActivation } from "../domain/redeem-activation.ts";
import type { ActivationLimiter } from "./activation-limiter.ts";
import { identityToProto } from "./identity-to-proto.ts";

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
        return identityToProto(redeemed, {
          bundle: deps.trustBundle(),
          endpoints: deps.endpoints,
          now: deps.clock.now(),
        });
      },
    },
  });
}
