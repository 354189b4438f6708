import { createTestCa } from "@drawbridge/testkit";
import { startScriptedRuntimeManager, type ScriptedRuntimeManager } from "./scripted-runtime-manager.ts";
import { fabricId, openFabric, type RunningAgent, type TestFabric } from "./test-fabric.ts";

/** A fabric whose certificates have passed their renewal points when the agent starts. */
export interface DueWorld extends AsyncDisposable {
  readonly manager: ScriptedRuntimeManager;
  readonly fabric: TestFabric;
}

const ttlSeconds = 7 * 86_400;

export async function openDueWorld(): Promise<DueWorld> {
  const now = new Date(Date.now() - 0.65 * ttlSeconds * 1_000);
  const ca = await createTestCa({ now });
  const manager = await startScriptedRuntimeManager({ ca, fabricId });
  const fabric = await openFabric(ca);
  await fabric.activate({ tunnel: [manager.address] }, { now, ttlSeconds });
  return {
    manager,
    fabric,
    [Symbol.asyncDispose]: async () => {
      await fabric[Symbol.asyncDispose]();
      await manager[Symbol.asyncDispose]();
    },
  };
}

/** Resolves when the agent holds two certificates that are not these, and nothing has failed. */
export async function bothRenewed(
  agent: RunningAgent,
  before: { readonly tunnel: string; readonly monitoring: string },
): Promise<void> {
  await agent.status(
    ({ certificates }) =>
      certificates.length === 2 &&
      certificates.every(
        ({ serialNumber, lastFailure }) =>
          serialNumber !== before.tunnel && serialNumber !== before.monitoring && lastFailure === "",
      ),
  );
}
