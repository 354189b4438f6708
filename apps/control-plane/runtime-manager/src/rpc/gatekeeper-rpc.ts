import { GatekeeperServiceService, type GatekeeperScope } from "@drawbridge/contracts/runtime/v1/gatekeeper_service";
import type { Clock } from "@drawbridge/lifecycle";
import { defineGrpcService, type GrpcServiceDefinition } from "@drawbridge/rpc";
import type { FabricId } from "../domain/ids.ts";
import { assertName } from "../domain/names.ts";
import type { FabricRepository } from "../store/fabrics.ts";
import type { GatekeeperSetting, GatekeeperSettings } from "../store/gatekeeper-settings.ts";

/** Levels of environments and fabrics (GK 7). */
export function createGatekeeperRpc(deps: {
  readonly settings: GatekeeperSettings;
  readonly fabrics: Pick<FabricRepository, "get">;
  /** Hint to whoever holds the fabric's tunnel, after the commit. */
  readonly onDesiredChanged: (fabricId: FabricId, generation: bigint) => void;
  readonly clock: Clock;
}): GrpcServiceDefinition {
  /** @throws DrawbridgeError `ENVIRONMENT_NAME_INVALID` (invalid_argument) | `FABRIC_NOT_FOUND` (not_found) */
  async function targetOf(org: string, scope: GatekeeperScope["scope"]): Promise<Omit<GatekeeperSetting, "value">> {
    if (scope?.$case === "fabric") {
      return { kind: "fabric", name: (await deps.fabrics.get(org, scope.value)).fabricId };
    }
    const name = scope?.value ?? "";
    assertName(name, "ENVIRONMENT_NAME_INVALID");
    return { kind: "environment", name };
  }

  return defineGrpcService(GatekeeperServiceService, {
    allow: { setGatekeeper: [{ service: "management-api" }], listGatekeeperSettings: [{ service: "management-api" }] },
    handlers: {
      setGatekeeper: async ({ org, scope, value }) => {
        assertName(org, "ORG_NAME_INVALID");
        const target = await targetOf(org, scope?.scope);
        const setting = { ...target, value };
        const changed = await deps.settings.set({ ...setting, org, now: deps.clock.now() });
        for (const { fabricId, generation } of changed) deps.onDesiredChanged(fabricId, generation);
        return { setting };
      },
      listGatekeeperSettings: async ({ org }) => ({
        settings: [...(await deps.settings.list(org))],
      }),
    },
  });
}
