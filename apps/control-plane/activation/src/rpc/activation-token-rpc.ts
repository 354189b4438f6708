import {
  ActivationTokenServiceService,
  ActivationTokenState,
  type ActivationToken,
} from "@drawbridge/contracts/activation/v1/activation_token_service";
import { network } from "@drawbridge/config";
import type { Clock } from "@drawbridge/lifecycle";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import { z } from "zod";
import type { ListedToken, TokenManagement } from "../domain/manage-tokens.ts";
import { tokenStateAt, type TokenState } from "../domain/stored-token.ts";
import { parseMessage } from "./parse-message.ts";

const keySha256 = () => z.string().regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hex digits");
const createSchema = z.object({
  requestId: z.uuid(),
  fabricId: z.uuid(),
  fabricName: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
  org: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/),
  ttlSeconds: z.number().int().min(0),
  createdBy: z.string().min(1).max(200),
  allowedNetworks: z.array(network()).max(32),
  requiresApproval: z.boolean(),
  keySha256: keySha256().or(z.literal("")),
});
const listSchema = z.object({
  fabricId: z.uuid().or(z.literal("")),
  pageSize: z.number().int().min(0).max(500),
  pageToken: z.uuid().or(z.literal("")),
});
const tokenSchema = z.object({ tokenId: z.uuid() });
const approveSchema = z.object({
  tokenId: z.uuid(),
  keySha256: keySha256(),
  approvedBy: z.string().min(1).max(200),
});
const defaultPageSize = 100;

const states = {
  unused: ActivationTokenState.ACTIVATION_TOKEN_STATE_UNUSED,
  redeemed: ActivationTokenState.ACTIVATION_TOKEN_STATE_REDEEMED,
  revoked: ActivationTokenState.ACTIVATION_TOKEN_STATE_REVOKED,
  expired: ActivationTokenState.ACTIVATION_TOKEN_STATE_EXPIRED,
} as const satisfies Record<TokenState, ActivationTokenState>;

/** ActivationTokenService: for management-api only. */
export function createActivationTokenRpc(management: TokenManagement, clock: Clock): GrpcServiceDefinition {
  const allow = [{ service: "management-api" }];
  const toProto = (token: ListedToken): ActivationToken => tokenToProto(token, clock.now());
  return defineGrpcService(ActivationTokenServiceService, {
    allow: {
      createActivationToken: allow,
      listActivationTokens: allow,
      getActivationToken: allow,
      approveActivationToken: allow,
      revokeActivationToken: allow,
    },
    handlers: {
      createActivationToken: async (message) => {
        const { token, text } = await management.create(parseMessage(createSchema, message));
        return { token: toProto(token), secretToken: text };
      },
      listActivationTokens: async (message) => {
        const { fabricId, pageSize, pageToken } = parseMessage(listSchema, message);
        const page = await management.list({
          fabricId: fabricId === "" ? undefined : fabricId,
          pageSize: pageSize === 0 ? defaultPageSize : pageSize,
          beforeTokenId: pageToken === "" ? undefined : pageToken,
        });
        return { tokens: page.tokens.map(toProto), nextPageToken: page.nextBefore ?? "" };
      },
      getActivationToken: async (message) => {
        return { token: toProto(await management.get(parseMessage(tokenSchema, message).tokenId)) };
      },
      approveActivationToken: async (message) => {
        return { token: toProto(await management.approve(parseMessage(approveSchema, message))) };
      },
      revokeActivationToken: async (message) => {
        return { token: toProto(await management.revoke(parseMessage(tokenSchema, message).tokenId)) };
      },
    },
  });
}

function tokenToProto(token: ListedToken, now: Date): ActivationToken {
  return {
    tokenId: token.tokenId,
    fabricId: token.fabricId,
    fabricName: token.fabricName,
    state: states[tokenStateAt(token, now)],
    createdAt: token.createdAt,
    expiresAt: token.expiresAt,
    createdBy: token.createdBy,
    ...(token.redeemedAt ? { redeemedAt: token.redeemedAt } : {}),
    agentId: token.agentId ?? "",
    refusedUses: token.refusedUses,
    allowedNetworks: [...token.allowedNetworks],
    keySha256: token.keySha256 ?? "",
    ...approvalToProto(token),
  };
}

type ApprovalFields = "requiresApproval" | "approvedBy" | "approvedAt" | "approvedKeySha256" | "applicants";

function approvalToProto({ approval, applicants }: ListedToken): Pick<ActivationToken, ApprovalFields> {
  const isGiven = approval.state === "given";
  return {
    requiresApproval: approval.state !== "not_needed",
    approvedBy: isGiven ? approval.by : "",
    ...(isGiven ? { approvedAt: approval.at } : {}),
    approvedKeySha256: isGiven ? approval.keySha256 : "",
    applicants: [...applicants],
  };
}
