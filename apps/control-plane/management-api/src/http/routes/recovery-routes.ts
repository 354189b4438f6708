import type { Fabric } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";
import { fabricRecoveryToJson, recoveryModeToProto, recoveryToJson } from "../adapters/recovery-json.ts";
import { required, requiredInstant } from "../adapters/values.ts";
import { recoveryOf } from "../fabric-detail.ts";
import { defineRoute, type Route } from "../route.ts";
import { fabricRef } from "../schemas/common.ts";
import {
  allowRecoveryBody,
  fabricRecoverySchema,
  recoveryModeBody,
  recoveryTokenBody,
  recoveryTokenSchema,
} from "../schemas/recovery.ts";
import type { RouteServices } from "../services.ts";
import { findVisibleFabric } from "./fabric-routes.ts";

const params = z.strictObject({ fabric: fabricRef });
const administrator = { scope: "organisation", role: "administrator" } as const;
const changed = { 200: { description: "The recovery after the call.", body: fabricRecoverySchema } } as const;

/** How a fabric that lost its identity comes back, and what an operator can do about it. */
export function recoveryRoutes(services: RouteServices): readonly Route[] {
  const { fabrics, recoveries, org } = services;

  async function findFabric(fabric: string, signal: AbortSignal): Promise<Fabric> {
    return required("fabric", (await fabrics.getFabric({ org, fabric }, { signal, idempotent: true })).fabric);
  }

  return [
    defineRoute({
      method: "GET",
      path: "/v1/fabrics/{fabric}/recovery",
      action: "fabric.recovery",
      summary: "Show how a fabric's recovery stands",
      permission: { scope: "any-environment", role: "viewer" },
      params,
      responses: { 200: { description: "The recovery.", body: fabricRecoverySchema } },
      errors: ["FABRIC_NOT_FOUND", "PERMISSION_DENIED", "RECOVERY_UNAVAILABLE", "PEER_UNAVAILABLE"],
      handle: async ({ params: { fabric: asked }, caller, signal }) => {
        const fabric = await findVisibleFabric(services, { fabric: asked, caller, signal });
        const recovery = await recoveryOf(services, fabric.agentId, { signal });
        return { status: 200, body: fabricRecoveryToJson(fabric, recovery) };
      },
    }),
    defineRoute({
      method: "POST",
      path: "/v1/fabrics/{fabric}/recovery/allow",
      action: "fabric.allow-recovery",
      summary: "Allow one more recovery within a day, and lift the lock",
      permission: administrator,
      params,
      body: allowRecoveryBody,
      responses: changed,
      errors: [
        "FABRIC_NOT_FOUND",
        "FABRIC_NOT_ACTIVATED",
        "AGENT_UNKNOWN",
        "FABRIC_DELETED",
        "RECOVERY_UNAVAILABLE",
        "PEER_UNAVAILABLE",
      ],
      handle: async ({ params: { fabric: asked }, body, caller, signal, note }) => {
        const { acceptAnyJoinState } = body;
        note({ acceptAnyJoinState: String(acceptAnyJoinState) });
        const { agentId } = activated(await findFabric(asked, signal));
        const request = { agentId, requestedBy: caller.username, acceptAnyJoinState };
        const { state } = await recoveries.allowRecovery(request, { signal, idempotent: true });
        // Read again: the lock is gone.
        return { status: 200, body: fabricRecoveryToJson(await findFabric(asked, signal), recoveryToJson(state)) };
      },
    }),
    defineRoute({
      method: "PUT",
      path: "/v1/fabrics/{fabric}/recovery/mode",
      action: "fabric.set-recovery-mode",
      summary: "Say what is done without an operator",
      permission: administrator,
      params,
      body: recoveryModeBody,
      responses: changed,
      errors: ["FABRIC_NOT_FOUND", "FABRIC_NOT_ACTIVATED", "AGENT_UNKNOWN", "RECOVERY_UNAVAILABLE", "PEER_UNAVAILABLE"],
      handle: async ({ params: { fabric: asked }, body, caller, signal, note }) => {
        note({ mode: body.mode });
        const fabric = activated(await findFabric(asked, signal));
        const request = { agentId: fabric.agentId, mode: recoveryModeToProto(body.mode), requestedBy: caller.username };
        const { state } = await recoveries.setRecoveryMode(request, { signal, idempotent: true });
        return { status: 200, body: fabricRecoveryToJson(fabric, recoveryToJson(state)) };
      },
    }),
    recoveryTokenRoute(services, findFabric),
  ];
}

function recoveryTokenRoute(
  { certificates, fabricTokens, recoveries, org }: RouteServices,
  findFabric: (fabric: string, signal: AbortSignal) => Promise<Fabric>,
): Route {
  return defineRoute({
    method: "POST",
    path: "/v1/fabrics/{fabric}/recovery/token",
    action: "fabric.reactivate",
    summary: "Revoke a fabric's certificates and create a token to activate it anew",
    description:
      "For an agent that cannot recover by itself, or whose disk may be in strange hands. The fabric keeps its id and its apps, which go on running.",
    permission: administrator,
    params,
    body: recoveryTokenBody,
    responses: { 201: { description: "The token, shown once.", body: recoveryTokenSchema } },
    errors: [
      "FABRIC_NOT_FOUND",
      "TOKEN_TTL_OUT_OF_RANGE",
      "REQUEST_ID_REUSED",
      "RECOVERY_UNAVAILABLE",
      "PEER_UNAVAILABLE",
    ],
    handle: async ({ params: { fabric: asked }, body, caller, requestId, signal, note }) => {
      const fabric = await findFabric(asked, signal);
      const { fabricId, name: fabricName } = fabric;
      // The old identity first: who gets a token must be sure that nobody else speaks for the fabric. What was allowed to
      // it is taken back before: where everything was revoked already, nothing that follows would be younger than that.
      await withdrawAllowance(recoveries, { agentId: fabric.agentId, requestedBy: caller.username }, signal);
      const target = { $case: "fabricId", value: fabricId } as const;
      const reason = "the fabric is activated anew";
      const { serialNumbers } = await certificates.revokeCertificates({ target, reason }, { signal, idempotent: true });
      note({ fabricId, revoked: String(serialNumbers.length) });
      const { ttlSeconds } = body;
      const request = {
        requestId,
        fabricId,
        fabricName,
        org,
        ttlSeconds,
        createdBy: caller.username,
        allowedNetworks: [],
        requiresApproval: false,
        keySha256: "",
      };
      const answer = await fabricTokens.createActivationToken(request, { signal });
      const token = required("token", answer.token);
      note({ fabricTokenId: token.tokenId });
      return {
        status: 201,
        headers: { "cache-control": "no-store" },
        body: {
          tokenId: token.tokenId,
          token: answer.secretToken,
          fabricId,
          fabric: fabricName,
          expiresAt: requiredInstant("token.expires_at", token.expiresAt),
          revoked: [...serialNumbers],
        },
      };
    },
  });
}

/** Nothing for a fabric without an agent, or with one that activation does not know. */
async function withdrawAllowance(
  recoveries: RouteServices["recoveries"],
  request: { readonly agentId: string; readonly requestedBy: string },
  signal: AbortSignal,
): Promise<void> {
  if (request.agentId === "") return;
  try {
    await recoveries.withdrawAllowance(request, { signal, idempotent: true });
  } catch (error) {
    if (!isDrawbridgeError(error, "AGENT_UNKNOWN")) throw error;
  }
}

function activated(fabric: Fabric): Fabric {
  if (fabric.agentId !== "") return fabric;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "FABRIC_NOT_ACTIVATED",
    message: `no agent of fabric ${fabric.name} has connected yet: there is nothing to recover. If it is not activated, make a token with "drawbridge fabric token create ${fabric.name}"`,
  });
}
