import { DrawbridgeError } from "@drawbridge/errors";

/** Says what is full and how much is missing, not where on our machine: the caller is an operator of another one. */
export function diskFull(shortage: {
  readonly neededBytes: number;
  readonly freeBytes: number;
  readonly cause?: unknown;
}): DrawbridgeError {
  const { neededBytes, freeBytes } = shortage;
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "DISK_FULL",
    message: `the bundle store of config-resolver is full: the upload needs ${mebibytes(neededBytes)} and ${mebibytes(freeBytes)} are free. Free some space there, then upload again`,
    details: { neededBytes: String(neededBytes), freeBytes: String(freeBytes) },
    ...(shortage.cause === undefined ? {} : { cause: shortage.cause }),
  });
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
