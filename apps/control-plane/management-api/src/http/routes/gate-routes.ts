import { z } from "zod";
import { gatesOfApp } from "../adapters/gate-json.ts";
import { defineRoute, type Route } from "../route.ts";
import { appName, environmentName, fabricRef, listOf, pageSize, pageToken } from "../schemas/common.ts";
import { appGateSchema } from "../schemas/gate.ts";
import type { RouteServices } from "../services.ts";
import { visibleEnvironments } from "../visible-environments.ts";
import { findVisibleFabric } from "./fabric-routes.ts";

/** How gates of tracked APIs stand. */
export function gateRoutes({ apps, environments, fabrics, org }: RouteServices): readonly Route[] {
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
        const { environment, fabric, app } = query;
        const asked = await visibleEnvironments(environments, caller, environment);
        if (fabric !== undefined) await findVisibleFabric({ fabrics, org }, { fabric, caller, signal });
        if (asked.length === 0) return { status: 200, body: { items: [], nextPageToken: "" } };
        const page = await apps.listApps(
          {
            org,
            environments: [...asked],
            fabric: fabric ?? "",
            pageSize: query.limit,
            pageToken: query.pageToken,
          },
          { signal, idempotent: true },
        );
        const wanted = page.apps.filter(({ spec }) => app === undefined || spec?.name === app);
        return { status: 200, body: { items: wanted.flatMap(gatesOfApp), nextPageToken: page.nextPageToken } };
      },
    }),
  ];
}
