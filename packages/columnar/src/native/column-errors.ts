import { DrawbridgeError } from "@drawbridge/errors";

/** A value that its column cannot hold. The value itself is not told: it may come from outside. */
export function valueOutOfRange(type: string, value: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "internal",
    code: "COLUMNAR_BLOCK_INVALID",
    message: `a ${typeof value} does not fit into a column of type ${type}`,
  });
}
