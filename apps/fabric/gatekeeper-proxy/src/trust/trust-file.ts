import { readFileSync } from "node:fs";
import { writeDurably } from "@drawbridge/durable-files";
import { parseTrustBundleJson, trustBundleToJson, type TrustBundle } from "@drawbridge/pki";
import type { Logger } from "@drawbridge/telemetry";

/** The roots to check signatures with, as the agent last said; kept on the disk for starts without it. */
export interface Trust {
  readonly current: () => TrustBundle | undefined;
  /** From the agent. True: it is another one. */
  readonly replace: (bundle: TrustBundle) => Promise<boolean>;
}

export function openTrust(path: string, logger: Logger): Trust {
  let bundle = readBundle(path);
  return {
    current: () => bundle,
    replace: async (next) => {
      if (bundle !== undefined && trustBundleToJson(bundle) === trustBundleToJson(next)) return false;
      bundle = next;
      try {
        await writeDurably(path, trustBundleToJson(next));
      } catch (error) {
        logger.error({ err: error }, "the trust bundle cannot be kept: a start without the agent finds no cache");
      }
      return true;
    },
  };
}

function readBundle(path: string): TrustBundle | undefined {
  try {
    return parseTrustBundleJson(readFileSync(path, "utf8"));
  } catch {
    return undefined; // none yet, or cut short: the agent gives it again
  }
}
