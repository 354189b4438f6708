import { z } from "zod";
import { gatesOfApp } from "../adapters/gate-json.ts";
import { defineRoute, type Route } from "../route.ts";
import { appName, environmentName, fabricRef, listOf, pageSize, pageToken } from "../schemas/common.ts";
import { appGateSchema } from "../schemas/gate.ts";
import type { RouteServices } from "../services.ts";
import { visibleApps } from "../visible-apps.ts";

/** How gates of tracked APIs stand. */
export function gateRoutes(services: RouteServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/v1/gates",
      action: "gate.list",
      summary: "List the gates of tracked APIs by app",
      description:
        "Those of the environments in which the caller has a role. A page holds the gates of `limit` apps, so that it may be empty and still have a next one.",
      permission: { scope: "any-environment", role: "viewer" },
      query: z.strictObject({
        environment: environmentName.optional(),
        fabric: fabricRef.optional(),
        app: appName.optional(),
        limit: pageSize,
        pageToken,
      }),
      responses: { 200: { description: "Gates.", body: listOf(appGateSchema, "Gates of a page of apps.") } },
      errors: ["ENVIRONMENT_NOT_FOUND", "FABRIC_NOT_FOUND", "PAGE_TOKEN_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ query, caller, signal }) => {
        const { app } = query;
        const page = await visibleApps(services, query, { caller, signal });
        const wanted = page.apps.filter(({ spec }) => app === undefined || spec?.name === app);
        return { status: 200, body: { items: wanted.flatMap(gatesOfApp), nextPageToken: page.nextPageToken } };
      },
    }),
  ];
}
