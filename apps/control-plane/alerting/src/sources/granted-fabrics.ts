import type { FabricServiceService } from "@drawbridge/contracts/runtime/v1/fabric_service";
import type { Clock } from "@drawbridge/lifecycle";
import type { GrpcCalls } from "@drawbridge/rpc";

const fabricsPerPage = 500;
/** Grants change by hand; a pass asks for many rules. */
const keptMs = 10_000;
const timeoutMs = 15_000;

/** Ids of the fabrics that run an environment. */
export type GrantedFabrics = (environment: string, signal: AbortSignal) => Promise<readonly string[]>;

/** By environment, as runtime-manager has it, at most 10 s ago. */
export function createGrantedFabrics(of: {
  readonly fabrics: Pick<GrpcCalls<FabricServiceService>, "listFabrics">;
  readonly org: string;
  readonly clock: Pick<Clock, "now">;
}): GrantedFabrics {
  let known: { readonly atMs: number; readonly byEnvironment: ReadonlyMap<string, readonly string[]> } | undefined;
  /** Rules are looked at side by side: what one has asked for, the others wait for. */
  let reading: Promise<ReadonlyMap<string, readonly string[]>> | undefined;

  async function read(signal: AbortSignal): Promise<ReadonlyMap<string, readonly string[]>> {
    const byEnvironment = new Map<string, string[]>();
    let pageToken = "";
    do {
      const question = { org: of.org, pageSize: fabricsPerPage, pageToken };
      const page = await of.fabrics.listFabrics(question, { signal, timeoutMs, idempotent: true });
      for (const { fabricId, environments } of page.fabrics) {
        for (const environment of environments) {
          const ids = byEnvironment.get(environment);
          if (ids === undefined) byEnvironment.set(environment, [fabricId]);
          else ids.push(fabricId);
        }
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return byEnvironment;
  }

  return async (environment, signal) => {
    const atMs = of.clock.now().getTime();
    if (known === undefined || Math.abs(atMs - known.atMs) > keptMs) {
      reading ??= read(signal).finally(() => void (reading = undefined));
      known = { atMs, byEnvironment: await reading };
    }
    return known.byEnvironment.get(environment) ?? [];
  };
}
