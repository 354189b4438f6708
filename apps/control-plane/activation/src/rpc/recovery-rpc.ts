import type { Endpoints } from "@drawbridge/contracts/activation/v1/activation_service";
import { RecoveryServiceService } from "@drawbridge/contracts/activation/v1/recovery_service";
import type { Clock } from "@drawbridge/lifecycle";
import type { TrustBundle } from "@drawbridge/pki";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { z } from "zod";
import { agentVersionPattern } from "../domain/activation-request.ts";
import type { RecoverAgent } from "../domain/recover-agent.ts";
import type { RecoveryChallenges } from "../domain/recovery-challenge.ts";
import type { ActivationLimiter } from "./activation-limiter.ts";
import { identityToProto } from "./identity-to-proto.ts";
import { parseMessage } from "./parse-message.ts";

const lowerCaseUuid = z.uuid().toLowerCase();
const maxCsrBytes = 8_192;
const bytes = (max: number) => z.instanceof(Buffer).refine((value) => value.length <= max, `at most ${max} bytes`);

const beginSchema = z.object({ agentId: lowerCaseUuid });
const completeSchema = z.object({
  challengeId: lowerCaseUuid,
  agentId: lowerCaseUuid,
  csrDer: bytes(maxCsrBytes),
  monitoringCsrDer: bytes(maxCsrBytes),
  certificateSerial: z.string().regex(/^[0-9a-f]{0,40}$/),
  joinState: z.string().max(200),
  signature: bytes(200),
  agentVersion: z.string().regex(agentVersionPattern),
});
const successionSchema = z.object({
  rootSpkiSha256: z
    .array(z.string().regex(/^[A-Za-z0-9_-]{43}$/))
    .min(1)
    .max(8),
});

/** RecoveryService: anyone, over one-way TLS; limited before anything is done for the caller. */
export function createRecoveryRpc(deps: {
  readonly recoverAgent: RecoverAgent;
  readonly challenges: Pick<RecoveryChallenges, "make">;
  /** cert-authority's signed way from the caller's roots. */
  readonly succession: (rootSpkiSha256: readonly string[], signal: AbortSignal) => Promise<readonly string[]>;
  readonly limiters: {
    readonly begin: ActivationLimiter;
    readonly complete: ActivationLimiter;
    readonly succession: ActivationLimiter;
  };
  readonly trustBundle: () => TrustBundle;
  /** What agents dial from now on. */
  readonly endpoints: Endpoints;
  readonly clock: Clock;
}): GrpcServiceDefinition {
  const { limiters, clock } = deps;
  return defineGrpcService(RecoveryServiceService, {
    allow: { beginRecovery: ["anyone"], completeRecovery: ["anyone"], getTrustSuccession: ["anyone"] },
    handlers: {
      beginRecovery: (message, { remoteAddress }) => {
        limiters.begin.admit(remoteAddress);
        const { agentId } = parseMessage(beginSchema, message);
        const now = clock.now();
        return Promise.resolve({ ...deps.challenges.make(agentId, now), serverTime: now });
      },
      completeRecovery: async (message, { remoteAddress, signal }) => {
        limiters.complete.admit(remoteAddress);
        const request = parseMessage(completeSchema, message);
        const recovered = await deps.recoverAgent(request, { remoteAddress, signal });
        const about = { bundle: deps.trustBundle(), endpoints: deps.endpoints, now: clock.now() };
        return { identity: identityToProto(recovered, about) };
      },
      getTrustSuccession: async (message, { remoteAddress, signal }) => {
        limiters.succession.admit(remoteAddress);
        const { rootSpkiSha256 } = parseMessage(successionSchema, message);
        return { links: [...(await deps.succession(rootSpkiSha256, signal))] };
      },
    },
  });
}
