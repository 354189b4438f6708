import type { GatekeeperScope, GatekeeperSetting } from "@drawbridge/contracts/runtime/v1/gatekeeper_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import { z } from "zod";
import { required } from "../adapters/values.ts";
import { cursorFrom, pageOf } from "../page.ts";
import { defineRoute, type Caller, type Route } from "../route.ts";
import { environmentName, fabricRef, listOf, pageQuery } from "../schemas/common.ts";
import { gatekeeperBody, gatekeeperLevelSchema, gatekeeperSettingSchema } from "../schemas/gate.ts";
import type { RouteServices } from "../services.ts";
import { visibleEnvironments } from "../visible-environments.ts";
import { findVisibleFabric } from "./fabric-routes.ts";

const administrator = { scope: "organisation", role: "administrator" } as const;
const description =
  "The nearest level counts: of the app, of its environment, of its fabric. It counts from an app's next deployment or restart on, and must be valid for the runtime version of every app that it would count for.";
const responses = { 200: { description: "The level as it is now.", body: gatekeeperSettingSchema } } as const;

/** A page of levels asks runtime-manager for each of its fabrics. */
const fabricsAtOnce = 16;

/** Gatekeeper levels for more than one app. */
export function gatekeeperRoutes(services: RouteServices): readonly Route[] {
  const { gatekeeper, environments, fabrics, org } = services;

  /** One that the caller may not see, or that is gone, is not shown. */
  async function shown(
    { kind, name, value }: GatekeeperSetting,
    visible: ReadonlySet<string>,
    asking: { readonly caller: Pick<Caller, "bindings">; readonly signal: AbortSignal },
  ): Promise<readonly z.output<typeof gatekeeperLevelSchema>[]> {
    if (kind === "environment") return visible.has(name) ? [{ kind, name, level: value }] : [];
    try {
      const fabric = await findVisibleFabric({ fabrics, org }, { fabric: name, ...asking });
      return [{ kind, name: fabric.name, level: value }];
    } catch (error) {
      if (isDrawbridgeError(error, "PERMISSION_DENIED") || isDrawbridgeError(error, "FABRIC_NOT_FOUND")) return [];
      throw error;
    }
  }

  async function set(scope: GatekeeperScope["scope"], level: string | null, signal: AbortSignal) {
    const { setting } = await gatekeeper.setGatekeeper({ org, scope: { scope }, value: level ?? "" }, { signal });
    const { kind, name, value } = required("setting", setting);
    return { kind, name, level: value === "" ? null : value };
  }

  return [
    defineRoute({
      method: "GET",
      path: "/v1/gatekeeper-levels",
      action: "gatekeeper.list",
      summary: "List the gatekeeper levels that are set for environments and fabrics",
      description:
        "Those of environments and fabrics that the caller may see, so that a page may be shorter than `limit`. The level of an app is part of the app.",
      permission: { scope: "any-environment", role: "viewer" },
      query: pageQuery,
      responses: {
        200: {
          description: "Environments by name, then fabrics.",
          body: listOf(gatekeeperLevelSchema, "A page of levels."),
        },
      },
      errors: ["PAGE_TOKEN_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ query, caller, signal }) => {
        const after = cursorFrom(query.pageToken, /^(environment|fabric) [a-z0-9-]{1,63}$/) ?? "";
        const visible = new Set(await visibleEnvironments(environments, caller, undefined));
        const { settings } = await gatekeeper.listGatekeeperSettings({ org }, { signal, idempotent: true });
        const cursorOf = ({ kind, name }: GatekeeperSetting): string => `${kind} ${name}`;
        const rows = settings
          .filter((setting) => cursorOf(setting) > after)
          .toSorted((a, b) => (cursorOf(a) < cursorOf(b) ? -1 : 1));
        const page = pageOf(rows, { limit: query.limit, toJson: (setting) => setting, cursorOf });
        const items: z.output<typeof gatekeeperLevelSchema>[] = [];
        for (let from = 0; from < page.items.length; from += fabricsAtOnce) {
          const some = page.items.slice(from, from + fabricsAtOnce);
          const levels = await Promise.all(some.map((setting) => shown(setting, visible, { caller, signal })));
          items.push(...levels.flat());
        }
        return { status: 200, body: { items, nextPageToken: page.nextPageToken } };
      },
    }),
    defineRoute({
      method: "PUT",
      path: "/v1/environments/{environment}/gatekeeper",
      action: "environment.set-gatekeeper",
      summary: "Set the gatekeeper level of an environment",
      description,
      permission: administrator,
      params: z.strictObject({ environment: environmentName }),
      body: gatekeeperBody,
      responses,
      errors: ["ENVIRONMENT_NOT_FOUND", "GATEKEEPER_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ params, body, signal, note }) => {
        note({ gatekeeper: body.level ?? "default" });
        await environments.assertExist([params.environment]);
        return {
          status: 200,
          body: await set({ $case: "environment", value: params.environment }, body.level, signal),
        };
      },
    }),
    defineRoute({
      method: "PUT",
      path: "/v1/fabrics/{fabric}/gatekeeper",
      action: "fabric.set-gatekeeper",
      summary: "Set the gatekeeper level of a fabric",
      description,
      permission: administrator,
      params: z.strictObject({ fabric: fabricRef }),
      body: gatekeeperBody,
      responses,
      errors: ["FABRIC_NOT_FOUND", "GATEKEEPER_INVALID", "PEER_UNAVAILABLE"],
      handle: async ({ params, body, signal, note }) => {
        note({ gatekeeper: body.level ?? "default" });
        return { status: 200, body: await set({ $case: "fabric", value: params.fabric }, body.level, signal) };
      },
    }),
  ];
}
