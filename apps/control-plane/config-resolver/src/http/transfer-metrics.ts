import type { Metrics } from "@drawbridge/telemetry";

/** How a part of an upload ended: the bundle is whole, more is missing, or it was refused or broke off. */
export type UploadOutcome = "stored" | "partial" | "failed";

/** Counts what comes in and what goes out. */
export interface TransferMetrics {
  uploaded(outcome: UploadOutcome): void;
  received(bytes: number): void;
  /** `complete` if the reader got all that it asked for. */
  downloaded(kind: "bundle" | "configuration", outcome: "complete" | "cut", bytes: number): void;
}

export function createTransferMetrics(metrics: Metrics): TransferMetrics {
  const uploads = metrics.counter("uploads", { description: "parts of bundles taken from management-api, by outcome" });
  const uploadBytes = metrics.counter("upload_bytes", { description: "bytes of bundles that came in", unit: "By" });
  const downloads = metrics.counter("downloads", { description: "bundles and configurations given to fabrics" });
  const downloadBytes = metrics.counter("download_bytes", { description: "bytes given to fabrics", unit: "By" });
  return {
    uploaded: (outcome) => uploads.add(1, { outcome }),
    received: (bytes) => uploadBytes.add(bytes),
    downloaded: (kind, outcome, bytes) => {
      downloads.add(1, { kind, outcome });
      downloadBytes.add(bytes, { kind });
    },
  };
}
