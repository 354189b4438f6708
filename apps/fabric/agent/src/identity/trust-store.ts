import type { Clock } from "@drawbridge/lifecycle";
import { parseTrustBundleJson, trustBundleToJson, type TrustBundle } from "@drawbridge/pki";
import type { Logger } from "@drawbridge/telemetry";
import { readFileIfPresent, writeFileAtomic } from "../state/atomic-file.ts";
import { moveAside } from "../state/move-aside.ts";

/** trust/bundle.json: the roots that this fabric trusts. */
export interface TrustStore {
  /** undefined if there is none, or if it was unusable and has been moved aside. */
  load(): Promise<TrustBundle | undefined>;
  save(bundle: TrustBundle): Promise<void>;
}

export function createTrustStore(options: {
  readonly path: string;
  readonly clock: Pick<Clock, "now">;
  readonly logger: Pick<Logger, "error">;
}): TrustStore {
  const { path, clock, logger } = options;
  return {
    async load() {
      const text = await readFileIfPresent(path);
      if (text === undefined) return undefined;
      try {
        return parseTrustBundleJson(text);
      } catch {
        await moveAside(path, { now: clock.now(), reason: "not a usable trust bundle", logger });
        return undefined;
      }
    },
    save: (bundle) => writeFileAtomic(path, trustBundleToJson(bundle)),
  };
}
