import type { GatekeeperScope } from "@drawbridge/contracts/runtime/v1/gatekeeper_service";
import { z } from "zod";
import { required } from "../adapters/values.ts";
import { defineRoute, type Route } from "../route.ts";
import { environmentName, fabricRef } from "../schemas/common.ts";
import { gatekeeperBody, gatekeeperSettingSchema } from "../schemas/gate.ts";
import type { RouteServices } from "../services.ts";

const administrator = { scope: "organisation", role: "administrator" } as const;
const description =
  "The nearest level counts: of the app, of its environment, of its fabric. It counts from an app's next deployment or restart on, and must be valid for the runtime version of every app that it would count for.";
const responses = { 200: { description: "The level as it is now.", body: gatekeeperSettingSchema } } as const;

/** Gatekeeper levels for more than one app. */
export function gatekeeperRoutes({ gatekeeper, environments, org }: RouteServices): readonly Route[] {
  async function set(scope: GatekeeperScope["scope"], level: string | null, signal: AbortSignal) {
    const { setting } = await gatekeeper.setGatekeeper({ org, scope: { scope }, value: level ?? "" }, { signal });
    const { kind, name, value } = required("setting", setting);
    return { kind, name, level: value === "" ? null : value };
  }

  return [
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
