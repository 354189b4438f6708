import { randomBytes } from "node:crypto";
import {
  type ActivationApplicant,
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
  const find = (tokenId: string): ActivationToken => {
    const token = tokens.get(tokenId);
    if (token) return token;
    throw new DrawbridgeError({ kind: "not_found", code: "ACTIVATION_TOKEN_NOT_FOUND", message: "no such token" });
  };
  return defineGrpcService(ActivationTokenServiceService, {
    allow: {
      createActivationToken: allow,
      listActivationTokens: allow,
      getActivationToken: allow,
      approveActivationToken: allow,
      revokeActivationToken: allow,
    },
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
          keySha256: request.keySha256,
          requiresApproval: request.requiresApproval,
          approvedBy: "",
          approvedKeySha256: "",
          applicants: request.requiresApproval ? [anApplicant(createdAt)] : [],
        };
        tokens.set(token.tokenId, token);
        return { token, secretToken: `fat1.e30.${randomBytes(32).toString("base64url")}` };
      },
      listActivationTokens: async ({ fabricId }) => ({
        tokens: [...tokens.values()].filter((token) => fabricId === "" || token.fabricId === fabricId),
        nextPageToken: "",
      }),
      getActivationToken: async ({ tokenId }) => ({ token: find(tokenId) }),
      approveActivationToken: async ({ tokenId, keySha256, approvedBy }) => {
        const token = find(tokenId);
        if (approvedBy === token.createdBy) {
          const code = "ACTIVATION_APPROVAL_BY_CREATOR";
          throw new DrawbridgeError({ kind: "permission_denied", code, message: "somebody else has to approve" });
        }
        const approved = { ...token, approvedBy, approvedAt: new Date(), approvedKeySha256: keySha256 };
        tokens.set(tokenId, approved);
        return { token: approved };
      },
      revokeActivationToken: async ({ tokenId }) => {
        const revoked = { ...find(tokenId), state: ActivationTokenState.ACTIVATION_TOKEN_STATE_REVOKED };
        tokens.set(tokenId, revoked);
        return { token: revoked };
      },
    },
  });
}

/** An agent that waits from the beginning. */
function anApplicant(at: Date): ActivationApplicant {
  return {
    keySha256: "ab".repeat(32),
    remoteAddress: "192.0.2.7",
    agentVersion: "0.1.0",
    firstAskedAt: at,
    lastAskedAt: at,
  };
}
