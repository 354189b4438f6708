import type { Fabric } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";
import { environmentsWith, holdsEverywhere, type RoleBinding } from "../../domain/role.ts";
import { fabricTokenToJson, fabricToJson } from "../adapters/fabric-json.ts";
import { required, requiredInstant } from "../adapters/values.ts";
import { defineRoute, type Route } from "../route.ts";
import { fabricRef, flag, listOf, pageQuery, pageSize, pageToken, uuid } from "../schemas/common.ts";
import {
  deletedFabricSchema,
  fabricSchema,
  fabricTokenSchema,
  newFabricTokenBody,
  newFabricTokenSchema,
} from "../schemas/fabric.ts";
import type { RouteServices } from "../services.ts";

const fabricParams = z.strictObject({ fabric: fabricRef });
const anyViewer = { scope: "any-environment", role: "viewer" } as const;
const administrator = { scope: "organisation", role: "administrator" } as const;

/** Fabrics, and the tokens that activate them. */
export function fabricRoutes(services: RouteServices): readonly Route[] {
  return [...readFabricRoutes(services), ...fabricTokenRoutes(services)];
}

function readFabricRoutes({ fabrics, org }: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/v1/fabrics",
      action: "fabric.list",
      summary: "List fabrics by name",
      description:
        "Those that run an environment in which the caller has a role; a page may be shorter than `limit` for that.",
      permission: anyViewer,
      query: pageQuery,
      responses: { 200: { description: "Fabrics.", body: listOf(fabricSchema, "A page of fabrics.") } },
      errors: ["PAGE_TOKEN_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ query, caller, signal }) => {
        const request = { org, pageSize: query.limit, pageToken: query.pageToken };
        const page = await fabrics.listFabrics(request, { signal, idempotent: true });
        const visible = page.fabrics.filter((fabric) => isVisible(fabric, caller.bindings));
        return { status: 200, body: { items: visible.map(fabricToJson), nextPageToken: page.nextPageToken } };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/v1/fabrics/{fabric}",
      action: "fabric.show",
      summary: "Show a fabric by name or id",
      permission: anyViewer,
      params: fabricParams,
      responses: { 200: { description: "The fabric.", body: fabricSchema } },
      errors: ["FABRIC_NOT_FOUND", "PERMISSION_DENIED", "PEER_UNAVAILABLE"],
      handle: async ({ params, caller, signal }) => {
        const fabric = await findFabric(params.fabric);
        return { status: 200, body: fabricToJson(fabric) };

        async function findFabric(name: string): Promise<Fabric> {
          try {
            const answer = await fabrics.getFabric({ org, fabric: name }, { signal, idempotent: true });
            const found = required("fabric", answer.fabric);
            if (isVisible(found, caller.bindings)) return found;
          } catch (error) {
            // Who may not see every fabric gets the same answer for one that is not there.
            if (!isDrawbridgeError(error, "FABRIC_NOT_FOUND") || holdsEverywhere(caller.bindings, "viewer"))
              throw error;
          }
          throw fabricHidden(name);
        }
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/v1/fabrics/{fabric}",
      action: "fabric.delete",
      summary: "Delete a fabric",
      description:
        "Closes its tunnel and revokes its certificates and tokens. Its apps go on running until somebody stops them in the fabric.",
      permission: administrator,
      params: fabricParams,
      query: z.strictObject({ force: flag("Delete it although apps are deployed to it.") }),
      responses: { 200: { description: "What was deleted.", body: deletedFabricSchema } },
      errors: ["FABRIC_NOT_FOUND", "FABRIC_HAS_APPS", "PEER_UNAVAILABLE"],
      handle: async ({ params, query, signal, note }) => {
        const { fabricId } = await fabrics.deleteFabric({ org, fabric: params.fabric, force: query.force }, { signal });
        note({ fabricId });
        return { status: 200, body: { fabricId } };
      },
    }),
  ];
}

function fabricTokenRoutes({ fabrics, fabricTokens, environments, org }: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "POST",
      path: "/v1/fabric-tokens",
      action: "fabric-token.create",
      summary: "Create an activation token for a fabric",
      description:
        "Creates the fabric if there is none of that name, and adds the environments to it. The token is in this answer and nowhere else; hand it to the agent as a file.",
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
        note({ fabric: body.fabric, environments: body.environments.join(" ") });
        await environments.assertExist(body.environments);
        const created = await fabrics.createFabric(
          { org, name: body.fabric, region: body.region, environments: body.environments },
          { signal, idempotent: true },
        );
        const fabric = required("fabric", created.fabric);
        // Not repeated: a repetition after a lost answer would be refused, for the secret is not kept.
        const answer = await fabricTokens.createActivationToken(
          {
            requestId,
            fabricId: fabric.fabricId,
            fabricName: fabric.name,
            org,
            ttlSeconds: body.ttlSeconds,
            createdBy: caller.username,
          },
          { signal },
        );
        const token = required("token", answer.token);
        note({ fabricId: fabric.fabricId, fabricTokenId: token.tokenId, fabricCreated: String(created.created) });
        return {
          status: 201,
          headers: { "cache-control": "no-store" },
          body: {
            tokenId: token.tokenId,
            token: answer.secretToken,
            fabricId: fabric.fabricId,
            fabric: fabric.name,
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
      permission: administrator,
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
      method: "DELETE",
      path: "/v1/fabric-tokens/{id}",
      action: "fabric-token.revoke",
      summary: "Revoke an activation token",
      permission: administrator,
      params: z.strictObject({ id: uuid("Id of the token.") }),
      responses: { 200: { description: "The token after the call.", body: fabricTokenSchema } },
      errors: ["ACTIVATION_TOKEN_NOT_FOUND", "ACTIVATION_TOKEN_USED", "PEER_UNAVAILABLE"],
      handle: async ({ params, signal }) => {
        const answer = await fabricTokens.revokeActivationToken({ tokenId: params.id }, { signal, idempotent: true });
        return { status: 200, body: fabricTokenToJson(answer.token) };
      },
    }),
  ];
}

function isVisible(fabric: Fabric, bindings: readonly RoleBinding[]): boolean {
  return holdsEverywhere(bindings, "viewer") || environmentsWith(bindings, "viewer", fabric.environments).length > 0;
}

function fabricHidden(fabric: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "PERMISSION_DENIED",
    message: `there is no fabric "${fabric}", or it runs no environment in which you have a role`,
  });
}
