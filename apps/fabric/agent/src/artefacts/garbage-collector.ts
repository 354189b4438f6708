import type { Logger } from "@drawbridge/telemetry";
import type { DesiredSnapshot } from "../desired/app-wish.ts";
import type { BundleStore } from "./bundle-store.ts";
import type { ConfigurationStore } from "./configuration-store.ts";

export interface GarbageCollectorOptions {
  readonly bundles: Pick<BundleStore, "collectGarbage">;
  readonly configurations: Pick<ConfigurationStore, "collectGarbage">;
  readonly desired: () => {
    readonly current: DesiredSnapshot | undefined;
    readonly previous: DesiredSnapshot | undefined;
  };
  /** Bundles that apps run from, by app: they may be older than both snapshots where roll-outs failed. */
  readonly appliedBundles: () => Readonly<Record<string, string>>;
  readonly logger: Logger;
}

/** Removes bundles and configurations that neither the wish, nor the one before it, nor a running app needs. */
export function createGarbageCollector(options: GarbageCollectorOptions): { collect(): Promise<void> } {
  let collecting: Promise<void> = Promise.resolve();

  async function collectOnce(): Promise<void> {
    const { current, previous } = options.desired();
    if (current === undefined) return; // without a wish nothing is known to be unneeded
    const apps = [...current.apps, ...(previous?.apps ?? [])];
    const bundles = new Set([...apps.map(({ bundle }) => bundle.digest), ...Object.values(options.appliedBundles())]);
    await options.bundles.collectGarbage(bundles);
    const configurations = new Set(apps.flatMap(({ configuration }) => configuration?.digest ?? []));
    await options.configurations.collectGarbage(configurations);
  }

  return {
    collect() {
      collecting = collecting
        .then(collectOnce)
        .catch((error: unknown) => options.logger.warn({ err: error }, "unused bundles cannot be removed"));
      return collecting;
    },
  };
}
