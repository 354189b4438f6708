import type { NewEvent } from "@drawbridge/store";
import type { BundleRecord } from "../domain/bundle-record.ts";

export function bundleStored(bundle: BundleRecord): NewEvent<"config.bundle.stored.v1"> {
  return {
    type: "config.bundle.stored.v1",
    scope: "control-plane",
    occurredAt: bundle.storedAt,
    payload: {
      digest: bundle.digest,
      sizeBytes: BigInt(bundle.sizeBytes),
      appName: bundle.appName,
      version: bundle.version,
    },
  };
}
