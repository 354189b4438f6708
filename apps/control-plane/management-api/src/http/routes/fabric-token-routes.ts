import type { Fabric } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";
import { fabricTokenToJson } from "../adapters/fabric-json.ts";
import { required, requiredInstant } from "../adapters/values.ts";
import { defineRoute, namedInBody, type Route } from "../route.ts";
import { fabricRef, listOf, pageSize, pageToken, uuid } from "../schemas/common.ts";
import {
  approveFabricTokenBody,
  defaultEnvironment,
  fabricTokenSchema,
  newFabricTokenBody,
  newFabricTokenSchema,
} from "../schemas/fabric-token.ts";
import type { RouteServices } from "../services.ts";

const tokenParams = z.strictObject({ id: uuid("Id of the token.") });
const administrator = { scope: "organisation", role: "administrator" } as const;
/** Who may approve need not be able to make tokens, and never approves his own. */
const operator = { scope: "organisation", role: "operator" } as const;

/** Tokens that activate fabrics. */
export function fabricTokenRoutes({ fabrics, fabricTokens, environments, org }: RouteServices): readonly Route[] {
  /** The fabric of that name, with the environments that were asked for; only a new one gets the default. */
  async function fabricFor(
    asked: z.output<typeof newFabricTokenBody>,
    signal: AbortSignal,
  ): Promise<{ readonly fabric: Fabric; readonly isNew: boolean }> {
    const create = async (names: readonly string[]): Promise<{ readonly fabric: Fabric; readonly isNew: boolean }> => {
      const request = { org, name: asked.fabric, region: asked.region, environments: [...names] };
      const answer = await fabrics.createFabric(request, { signal, idempotent: true });
      return { fabric: required("fabric", answer.fabric), isNew: answer.created };
    };
    if (asked.environments.length > 0) return create(asked.environments);
    try {
      const { fabric } = await fabrics.getFabric({ org, fabric: asked.fabric }, { signal, idempotent: true });
      return { fabric: required("fabric", fabric), isNew: false };
    } catch (error) {
      if (!isDrawbridgeError(error, "FABRIC_NOT_FOUND")) throw error;
      return create([defaultEnvironment]);
    }
  }

  return [
    defineRoute({
      method: "POST",
      path: "/v1/fabric-tokens",
      action: "fabric-token.create",
      target: namedInBody("fabric"),
      summary: "Create an activation token for a fabric",
      description:
        "Creates the fabric if there is none of that name, and adds the environments to it; without any an existing fabric stays as it is. The token is in this answer and nowhere else; hand it to the agent as a file.",
      permission: administrator,
      body: newFabricTokenBody,
      responses: { 201: { description: "The token, shown once.", body: newFabricTokenSchema } },
      errors: [
        "ENVIRONMENT_NOT_FOUND",
        "FABRIC_NAME_INVALID",
        "FABRIC_ENVIRONMENTS_INVALID",
        "TOKEN_TTL_OUT_OF_RANGE",
        "FABRIC_NOT_FOUND",
        "REQUEST_ID_REUSED",
        "PEER_UNAVAILABLE",
      ],
      handle: async ({ body, caller, requestId, signal, note }) => {
        note({
          fabric: body.fabric,
          environments: body.environments.join(" "),
          allowedNetworks: body.allowedNetworks.join(" "),
          requiresApproval: String(body.requiresApproval),
          keySha256: body.keySha256,
        });
        await environments.assertExist(body.environments);
        const { fabric, isNew } = await fabricFor(body, signal);
        // Not repeated: a repetition after a lost answer would be refused, for the secret is not kept.
        const answer = await fabricTokens.createActivationToken(
          {
            requestId,
            fabricId: fabric.fabricId,
            fabricName: fabric.name,
            org,
            ttlSeconds: body.ttlSeconds,
            createdBy: caller.username,
            allowedNetworks: body.allowedNetworks,
            requiresApproval: body.requiresApproval,
            keySha256: body.keySha256,
          },
          { signal },
        );
        const token = required("token", answer.token);
        note({ fabricId: fabric.fabricId, fabricTokenId: token.tokenId, fabricCreated: String(isNew) });
        return {
          status: 201,
          headers: { "cache-control": "no-store" },
          body: {
            tokenId: token.tokenId,
            token: answer.secretToken,
            fabricId: fabric.fabricId,
            fabric: fabric.name,
            created: isNew,
            environments: [...fabric.environments],
            expiresAt: requiredInstant("token.expires_at", token.expiresAt),
          },
        };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/fabric-tokens",
      action: "fabric-token.list",
      summary: "List activation tokens, newest first",
      permission: operator,
      query: z.strictObject({ fabric: fabricRef.optional(), limit: pageSize, pageToken }),
      responses: {
        200: { description: "Tokens without secrets.", body: listOf(fabricTokenSchema, "A page of tokens.") },
      },
      errors: ["FABRIC_NOT_FOUND", "PAGE_TOKEN_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ query, signal }) => {
        const options = { signal, idempotent: true };
        const fabricId = query.fabric === undefined ? "" : await fabricIdOf(query.fabric);
        const request = { fabricId, pageSize: query.limit, pageToken: query.pageToken };
        const page = await fabricTokens.listActivationTokens(request, options);
        return { status: 200, body: { items: page.tokens.map(fabricTokenToJson), nextPageToken: page.nextPageToken } };

        async function fabricIdOf(fabric: string): Promise<string> {
          return required("fabric", (await fabrics.getFabric({ org, fabric }, options)).fabric).fabricId;
        }
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/fabric-tokens/{id}",
      action: "fabric-token.show",
      summary: "Show an activation token, with the agents that wait for its approval",
      permission: operator,
      params: tokenParams,
      responses: { 200: { description: "The token without its secret.", body: fabricTokenSchema } },
      errors: ["ACTIVATION_TOKEN_NOT_FOUND", "PEER_UNAVAILABLE"],
      handle: async ({ params, signal }) => {
        const answer = await fabricTokens.getActivationToken({ tokenId: params.id }, { signal, idempotent: true });
        return { status: 200, body: fabricTokenToJson(answer.token) };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/fabric-tokens/{id}/approve",
      action: "fabric-token.approve",
      summary: "Approve the agent that waits with an activation token",
      description:
        "Four eyes: whoever made the token may not. Compare the key with the one that the agent shows: from then on the token is for that key only.",
      permission: operator,
      params: tokenParams,
      body: approveFabricTokenBody,
      responses: { 200: { description: "The token after the call.", body: fabricTokenSchema } },
      errors: [
        "ACTIVATION_TOKEN_NOT_FOUND",
        "ACTIVATION_APPLICANT_NOT_FOUND",
        "ACTIVATION_APPROVAL_NOT_NEEDED",
        "ACTIVATION_APPROVAL_BY_CREATOR",
        "ACTIVATION_APPROVED_ALREADY",
        "ACTIVATION_TOKEN_USED",
        "ACTIVATION_TOKEN_REVOKED",
        "ACTIVATION_TOKEN_EXPIRED",
        "PEER_UNAVAILABLE",
      ],
      handle: async ({ params, body, caller, signal, note }) => {
        const { keySha256 } = body;
        note({ keySha256 });
        const request = { tokenId: params.id, keySha256, approvedBy: caller.username };
        const { token } = await fabricTokens.approveActivationToken(request, { signal, idempotent: true });
        note({ fabricId: token?.fabricId ?? "" });
        return { status: 200, body: fabricTokenToJson(token) };
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/v1/fabric-tokens/{id}",
      action: "fabric-token.revoke",
      summary: "Revoke an activation token",
      permission: administrator,
      params: tokenParams,
      responses: { 200: { description: "The token after the call.", body: fabricTokenSchema } },
      errors: ["ACTIVATION_TOKEN_NOT_FOUND", "ACTIVATION_TOKEN_USED", "PEER_UNAVAILABLE"],
      handle: async ({ params, signal }) => {
        const answer = await fabricTokens.revokeActivationToken({ tokenId: params.id }, { signal, idempotent: true });
        return { status: 200, body: fabricTokenToJson(answer.token) };
      },
    }),
  ];
}
