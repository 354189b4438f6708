import { randomBytes } from "node:crypto";
import {
  type ActivationToken,
  ActivationTokenServiceService,
  ActivationTokenState,
} from "@drawbridge/contracts/activation/v1/activation_token_service";
import { DrawbridgeError } from "@drawbridge/errors";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";

/** Activation tokens in memory. */
export function standInActivation(): GrpcServiceDefinition {
  const tokens = new Map<string, ActivationToken>();
  const requests = new Set<string>();
  const allow = [{ service: "management-api" }] as const;
  return defineGrpcService(ActivationTokenServiceService, {
    allow: { createActivationToken: allow, listActivationTokens: allow, revokeActivationToken: allow },
    handlers: {
      createActivationToken: async (request) => {
        if (requests.has(request.requestId)) {
          throw new DrawbridgeError({ kind: "already_exists", code: "REQUEST_ID_REUSED", message: "already used" });
        }
        requests.add(request.requestId);
        const createdAt = new Date();
        const token: ActivationToken = {
          tokenId: crypto.randomUUID(),
          fabricId: request.fabricId,
          fabricName: request.fabricName,
          state: ActivationTokenState.ACTIVATION_TOKEN_STATE_UNUSED,
          createdAt,
          expiresAt: new Date(createdAt.getTime() + request.ttlSeconds * 1_000),
          createdBy: request.createdBy,
          agentId: "",
          refusedUses: 0,
          allowedNetworks: request.allowedNetworks,
        };
        tokens.set(token.tokenId, token);
        return { token, secretToken: `fat1.e30.${randomBytes(32).toString("base64url")}` };
      },
      listActivationTokens: async ({ fabricId }) => ({
        tokens: [...tokens.values()].filter((token) => fabricId === "" || token.fabricId === fabricId),
        nextPageToken: "",
      }),
      revokeActivationToken: async ({ tokenId }) => {
        const token = tokens.get(tokenId);
        if (!token) {
          throw new DrawbridgeError({
            kind: "not_found",
            code: "ACTIVATION_TOKEN_NOT_FOUND",
            message: "no such token",
          });
        }
        const revoked = { ...token, state: ActivationTokenState.ACTIVATION_TOKEN_STATE_REVOKED };
        tokens.set(tokenId, revoked);
        return { token: revoked };
      },
    },
  });
}
