import type { Fabric } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";
import { environmentsWith, holdsEverywhere, type RoleBinding } from "../../domain/role.ts";
import { fabricTokenToJson, fabricToJson } from "../adapters/fabric-json.ts";
import { required, requiredInstant } from "../adapters/values.ts";
import { fabricDetail } from "../fabric-detail.ts";
import { type Caller, defineRoute, namedInBody, type Route } from "../route.ts";
import { fabricRef, flag, listOf, pageQuery, pageSize, pageToken, uuid } from "../schemas/common.ts";
import {
  defaultEnvironment,
  deletedFabricSchema,
  fabricDetailSchema,
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

function readFabricRoutes(services: RouteServices): readonly Route[] {
  const { fabrics, org } = services;
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
      description:
        "With its certificates, its collector and its recovery. What another service does not answer is named in `unknown`.",
      permission: anyViewer,
      params: fabricParams,
      responses: { 200: { description: "The fabric.", body: fabricDetailSchema } },
      errors: ["FABRIC_NOT_FOUND", "PERMISSION_DENIED", "PEER_UNAVAILABLE"],
      handle: async ({ params, caller, signal }) => {
        const fabric = await findVisibleFabric({ fabrics, org }, { fabric: params.fabric, caller, signal });
        return { status: 200, body: await fabricDetail(services, fabric, signal) };
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

/**
 * A fabric by name or id. Who may not see every fabric gets the same answer for one that is not there.
 * @throws DrawbridgeError `FABRIC_NOT_FOUND` | `PERMISSION_DENIED`
 */
export async function findVisibleFabric(
  { fabrics, org }: Pick<RouteServices, "fabrics" | "org">,
  asked: { readonly fabric: string; readonly caller: Pick<Caller, "bindings">; readonly signal: AbortSignal },
): Promise<Fabric> {
  const { bindings } = asked.caller;
  try {
    const answer = await fabrics.getFabric({ org, fabric: asked.fabric }, { signal: asked.signal, idempotent: true });
    const found = required("fabric", answer.fabric);
    if (isVisible(found, bindings)) return found;
  } catch (error) {
    if (!isDrawbridgeError(error, "FABRIC_NOT_FOUND") || holdsEverywhere(bindings, "viewer")) throw error;
  }
  throw fabricHidden(asked.fabric);
}

export function isVisible(fabric: Fabric, bindings: readonly RoleBinding[]): boolean {
  return holdsEverywhere(bindings, "viewer") || environmentsWith(bindings, "viewer", fabric.environments).length > 0;
}

function fabricHidden(fabric: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "permission_denied",
    code: "PERMISSION_DENIED",
    message: `there is no fabric "${fabric}", or it runs no environment in which you have a role`,
  });
}
