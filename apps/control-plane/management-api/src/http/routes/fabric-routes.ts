import type { Fabric } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";
import { environmentsWith, holdsEverywhere, type RoleBinding } from "../../domain/role.ts";
import { fabricToJson } from "../adapters/fabric-json.ts";
import { required } from "../adapters/values.ts";
import { fabricDetail } from "../fabric-detail.ts";
import { type Caller, defineRoute, type Route } from "../route.ts";
import { fabricRef, flag, listOf, pageQuery } from "../schemas/common.ts";
import { deletedFabricSchema, fabricChangeSchema, fabricDetailSchema, fabricSchema } from "../schemas/fabric.ts";
import type { RouteServices } from "../services.ts";

const fabricParams = z.strictObject({ fabric: fabricRef });
const anyViewer = { scope: "any-environment", role: "viewer" } as const;
const administrator = { scope: "organisation", role: "administrator" } as const;

/** Fabrics. */
export function fabricRoutes(services: RouteServices): readonly Route[] {
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
      method: "PATCH",
      path: "/v1/fabrics/{fabric}",
      action: "fabric.update",
      summary: "Change a fabric's settings",
      description: "The control plane goes by them at once, the fabric's agent from its next session on.",
      permission: administrator,
      params: fabricParams,
      body: fabricChangeSchema,
      responses: { 200: { description: "The fabric as it is now.", body: fabricSchema } },
      errors: ["FABRIC_NOT_FOUND", "CLOCK_LIMITS_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ params, body, signal, note }) => {
        const { fabric } = await fabrics.updateFabric(
          {
            org,
            fabric: params.fabric,
            clockSkewWarnSeconds: orReset(body.clockSkewWarnSeconds),
            clockSkewFailSeconds: orReset(body.clockSkewFailSeconds),
          },
          { signal },
        );
        note({ fabricId: required("fabric", fabric).fabricId });
        return { status: 200, body: fabricToJson(fabric) };
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

/** On the wire 0 takes a setting away. */
function orReset(value: number | null | undefined): number | undefined {
  return value === null ? 0 : value;
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
