import { FabricServiceService, type Fabric as FabricProto } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import {
  defineGrpcService,
  type GrpcServiceDefinition,
  pageSize,
  readPageToken,
  writePageToken,
} from "@drawbridge/rpc";
import type { ClockLimits } from "../domain/clock-limits.ts";
import type { Fabric } from "../domain/fabric.ts";
import { fabricId, type AgentId, type FabricId } from "../domain/ids.ts";
import { assertShortText, limits } from "../domain/limits.ts";
import { assertName } from "../domain/names.ts";
import type { FabricRepository } from "../store/fabrics.ts";
import { fabricToProto } from "./fabric-to-proto.ts";

export interface FabricRpcDeps {
  readonly fabrics: FabricRepository;
  readonly settings: { readonly clockLimits: ClockLimits };
  /** Closes the tunnel wherever it is. */
  readonly onDeleted: (fabric: { readonly fabricId: FabricId; readonly agentId: AgentId | undefined }) => void;
  readonly clock: Clock;
  readonly ids: IdSource;
}

const managementApi = [{ service: "management-api" }] as const;

export function createFabricRpc({ fabrics, settings, onDeleted, clock, ids }: FabricRpcDeps): GrpcServiceDefinition {
  const toProto = (fabric: Fabric): FabricProto => fabricToProto(fabric, settings.clockLimits);
  /** A caller that names no environments wants a fabric that there is, as it is. */
  async function existing(org: string, name: string): Promise<Fabric> {
    try {
      return await fabrics.get(org, name);
    } catch (error) {
      throw isDrawbridgeError(error, "FABRIC_NOT_FOUND") ? environmentsInvalid() : error;
    }
  }

  return defineGrpcService(FabricServiceService, {
    allow: {
      createFabric: managementApi,
      getFabric: managementApi,
      listFabrics: [...managementApi, { service: "alerting" }],
      updateFabric: managementApi,
      deleteFabric: managementApi,
    },
    handlers: {
      createFabric: async ({ org, name, region, environments }) => {
        assertName(org, "ORG_NAME_INVALID");
        assertName(name, "FABRIC_NAME_INVALID");
        assertShortText(region, "region");
        if (environments.length === 0) return { fabric: toProto(await existing(org, name)), created: false };
        const result = await fabrics.create({
          fabricId: fabricId(ids.next()),
          org,
          name,
          region,
          environments: assertEnvironments(environments),
          now: clock.now(),
        });
        return { fabric: toProto(result.fabric), created: result.created };
      },
      getFabric: async ({ org, fabric }) => ({ fabric: toProto(await fabrics.get(org, fabric)) }),
      listFabrics: async ({ org, pageSize: asked, pageToken }) => {
        const limit = pageSize(asked, 100);
        const [afterName] = readPageToken(pageToken, 1) ?? [""];
        const page = await fabrics.list({ org, afterName: afterName ?? "", limit: limit + 1 });
        const last = page.length > limit ? page[limit - 1] : undefined;
        return {
          fabrics: page.slice(0, limit).map((fabric) => toProto(fabric)),
          nextPageToken: last ? writePageToken([last.name]) : "",
        };
      },
      updateFabric: async ({ org, fabric, clockSkewWarnSeconds, clockSkewFailSeconds }) => {
        const changed = await fabrics.setClockLimits({
          org,
          idOrName: fabric,
          warnSeconds: clockSkewWarnSeconds === 0 ? null : clockSkewWarnSeconds,
          failSeconds: clockSkewFailSeconds === 0 ? null : clockSkewFailSeconds,
        });
        return { fabric: toProto(changed) };
      },
      deleteFabric: async ({ org, fabric, force }) => {
        const deleted = await fabrics.delete({
          org,
          idOrName: fabric,
          apps: force ? "are-forgotten" : "must-be-none",
          dutyId: ids.next(),
          now: clock.now(),
        });
        onDeleted(deleted);
        return { fabricId: deleted.fabricId };
      },
    },
  });
}

/** @throws DrawbridgeError `FABRIC_ENVIRONMENTS_INVALID` | `ENVIRONMENT_NAME_INVALID` (invalid_argument) */
function assertEnvironments(environments: readonly string[]): readonly string[] {
  for (const environment of environments) assertName(environment, "ENVIRONMENT_NAME_INVALID");
  const distinct = [...new Set(environments)].toSorted();
  if (distinct.length >= 1 && distinct.length <= limits.environmentsPerFabric) return distinct;
  throw environmentsInvalid();
}

function environmentsInvalid(): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "FABRIC_ENVIRONMENTS_INVALID",
    message: `a new fabric needs 1 to ${limits.environmentsPerFabric} environments`,
  });
}
