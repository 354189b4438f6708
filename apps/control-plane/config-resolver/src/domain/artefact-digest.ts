import { DrawbridgeError } from "@drawbridge/errors";

/** "sha256:<64 lower-case hex>": the name of a bundle or a configuration. */
export type ArtefactDigest = `sha256:${string}`;

const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** @throws DrawbridgeError `DIGEST_INVALID` (invalid_argument) */
export function parseArtefactDigest(text: string): ArtefactDigest {
  if (isArtefactDigest(text)) return text;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "DIGEST_INVALID",
    message: "a digest is sha256: and 64 lower-case hexadecimal digits",
  });
}

export function isArtefactDigest(text: string): text is ArtefactDigest {
  return digestPattern.test(text);
}

/** The 64 digits. */
export function hexOf(digest: ArtefactDigest): string {
  return digest.slice("sha256:".length);
}

export function bundlePath(digest: ArtefactDigest): string {
  return `/v1/bundles/${digest}`;
}

export function configurationPath(digest: ArtefactDigest): string {
  return `/v1/configurations/${digest}`;
}
