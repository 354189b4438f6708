import { DrawbridgeError } from "@drawbridge/errors";

/** Something in the directory cannot go into a bundle. */
export function unpackable(path: string, why: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "BUNDLE_SOURCE_INVALID",
    message: `${path} ${why}`,
    details: { path },
  });
}
