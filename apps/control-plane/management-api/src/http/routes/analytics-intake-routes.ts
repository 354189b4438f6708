import { z } from "zod";
import { holdsEverywhere } from "../../domain/role.ts";
import { deadLetterToJson, gatewayIntakeToJson } from "../adapters/analytics-json.ts";
import { safeNumber } from "../adapters/values.ts";
import { analyticsOf } from "../analytics-of.ts";
import { findFabrics } from "../certificate-fabrics.ts";
import { defineRoute, type Route } from "../route.ts";
import { deadLetterIds, deadLetterSchema, intakeSchema } from "../schemas/analytics.ts";
import { fabricRef, flag, listOf, wholeNumber } from "../schemas/common.ts";
import type { RouteServices } from "../services.ts";
import { findVisibleFabric, isVisible } from "./fabric-routes.ts";

const administrator = { scope: "organisation", role: "administrator" } as const;
const path = "/v1/analytics/dead-letters";
const storeErrors = [
  "COLUMNAR_QUERY_TIMEOUT",
  "COLUMNAR_OVERLOADED",
  "COLUMNAR_UNAVAILABLE",
  "COLUMNAR_FAILED",
] as const;
const letterErrors = ["ANALYTICS_NOT_KEPT", "DEAD_LETTER_UNKNOWN", "PEER_UNAVAILABLE"] as const;

const whichLetters = z
  .strictObject({
    ids: deadLetterIds.optional().meta({ description: "Numbers of them." }),
    all: z.literal(true, "must be true").optional().meta({ description: "All that there are." }),
  })
  .refine(({ ids, all }) => (ids === undefined) !== (all === undefined), {
    path: ["ids"],
    message: "must name dead letters, unless `all` is true",
  });

/** How complete analytics are, and batches that could not be stored. */
export function analyticsIntakeRoutes(services: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/v1/analytics/intake",
      action: "analytics.intake",
      summary: "Show how complete analytics are, by gateway",
      description: "Gateways of fabrics that run an environment in which the caller has a role.",
      permission: { scope: "any-environment", role: "viewer" },
      query: z.strictObject({ fabric: fabricRef.optional() }),
      responses: { 200: { description: "What came, what is missing, what waits.", body: intakeSchema } },
      errors: ["FABRIC_NOT_FOUND", "PERMISSION_DENIED", "ANALYTICS_NOT_KEPT", ...storeErrors, "PEER_UNAVAILABLE"],
      handle: async ({ query, caller, signal }) => {
        const asked =
          query.fabric === undefined
            ? undefined
            : await findVisibleFabric(services, { fabric: query.fabric, caller, signal });
        const request = { fabricId: asked?.fabricId ?? "" };
        const answer = await analyticsOf(services).getIntake(request, { signal, idempotent: true });
        const fabricIds = answer.gateways.map(({ fabricId }) => fabricId);
        const { find } = await findFabrics(services, fabricIds, signal);
        const seesAll = holdsEverywhere(caller.bindings, "viewer");
        const gateways = answer.gateways.flatMap((gateway) => {
          const fabric = find(gateway.fabricId);
          const known = fabric === undefined || fabric === "deleted" ? undefined : fabric;
          const isShown = seesAll || (known !== undefined && isVisible(known, caller.bindings));
          return isShown ? [gatewayIntakeToJson(gateway, known?.name ?? null)] : [];
        });
        const { lagMs, retentionDays } = answer;
        const waitingBatches = safeNumber("waiting_batches", answer.waitingBatches);
        const deadLetters = safeNumber("dead_letters", answer.deadLetters);
        return { status: 200, body: { gateways, waitingBatches, deadLetters, lagMs, retentionDays } };
      },
    }),
    defineRoute({
      method: "GET",
      path,
      action: "dead-letter.list",
      summary: "List batches of requests that could not be stored, oldest first",
      permission: administrator,
      query: z.strictObject({ limit: wholeNumber(1, 1_000, "At most so many.").default(100) }),
      responses: {
        200: { description: "Dead letters.", body: listOf(deadLetterSchema, "The oldest dead letters.") },
      },
      errors: ["ANALYTICS_NOT_KEPT", "PEER_UNAVAILABLE"],
      handle: async ({ query: { limit }, signal }) => {
        const { deadLetters } = await analyticsOf(services).listDeadLetters({ limit }, { signal, idempotent: true });
        return { status: 200, body: { items: deadLetters.map(deadLetterToJson), nextPageToken: "" } };
      },
    }),
    defineRoute({
      method: "POST",
      path: `${path}/replay`,
      action: "dead-letter.replay",
      summary: "Offer dead letters to the store again",
      permission: administrator,
      body: whichLetters,
      responses: { 200: { description: "So many were offered.", body: z.object({ replayed: z.int() }) } },
      errors: letterErrors,
      handle: async ({ body, signal, note }) => {
        const ids = (body.ids ?? []).map(BigInt);
        note({ letters: body.ids?.join(",") ?? "all" });
        const { replayed } = await analyticsOf(services).replayDeadLetters({ ids }, { signal });
        return { status: 200, body: { replayed } };
      },
    }),
    defineRoute({
      method: "DELETE",
      path,
      action: "dead-letter.delete",
      summary: "Give dead letters up for ever",
      permission: administrator,
      query: z
        .strictObject({
          ids: z
            .string()
            .max(20_000, "must have at most 20000 characters")
            .transform((text) => text.split(","))
            .pipe(deadLetterIds)
            .optional()
            .meta({ description: "Numbers of them, with commas between." }),
          all: flag("All that there are."),
        })
        .refine(({ ids, all }) => (ids === undefined) === all, {
          path: ["ids"],
          message: "must name dead letters, unless all=true",
        }),
      responses: { 200: { description: "So many are gone.", body: z.object({ deleted: z.int() }) } },
      errors: letterErrors,
      handle: async ({ query, signal, note }) => {
        const ids = (query.ids ?? []).map(BigInt);
        note({ letters: query.ids?.join(",") ?? "all" });
        const { deleted } = await analyticsOf(services).deleteDeadLetters({ ids }, { signal });
        return { status: 200, body: { deleted } };
      },
    }),
  ];
}
