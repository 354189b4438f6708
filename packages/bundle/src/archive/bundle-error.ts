import { DrawbridgeError, toError } from "@drawbridge/errors";

/** Text from an archive as it may be shown: no control characters, not endless. */
function shown(text: string): string {
  const clean = text.replaceAll(/\p{C}/gu, "?");
  return clean.length > 200 ? `${clean.slice(0, 200)}...` : clean;
}

/** An entry would end up, or point, outside the directory that the bundle is unpacked into. */
export function pathTraversal(path: string, why: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "BUNDLE_PATH_TRAVERSAL",
    message: `the bundle was refused: the entry "${shown(path)}" ${why}. Build the bundle again with "drawbridge bundle build".`,
    details: { entry: shown(path), reason: why },
  });
}

export function malformed(
  why: string,
  options: { readonly entry?: string; readonly cause?: unknown } = {},
): DrawbridgeError {
  const where = options.entry === undefined ? "" : `the entry "${shown(options.entry)}" `;
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "BUNDLE_MALFORMED",
    message: `the bundle was refused: ${where}${why}. Build the bundle again with "drawbridge bundle build".`,
    ...(options.entry === undefined ? {} : { details: { entry: shown(options.entry), reason: why } }),
    ...(options.cause === undefined ? {} : { cause: options.cause }),
  });
}

export function tooLarge(why: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "BUNDLE_TOO_LARGE",
    message: `the bundle is too large: ${why}. Leave out what the app does not need at run time, in .drawbridgeignore.`,
  });
}

export function digestMismatch(expected: string, actual: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "BUNDLE_DIGEST_MISMATCH",
    message: `the bundle was refused: its digest is ${actual}, expected was ${expected}. It was changed or damaged on its way; transfer it again.`,
    details: { expected, actual },
  });
}

export function manifestMissing(where: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "BUNDLE_MANIFEST_MISSING",
    message: `${where} has no drawbridge.yaml at its root. Write one with "drawbridge bundle init".`,
  });
}

/** Error numbers of the operating system that mean: no room here (full disk, quota). */
const fullCodes: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT"]);

export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && fullCodes.has(error.code);
}

/** `neededBytes` is what the whole operation needs, if it is known. */
export function diskFull(
  directory: string,
  what: string,
  neededBytes: number | undefined,
  cause: unknown,
): DrawbridgeError {
  const need = neededBytes === undefined ? "" : ` ${what} needs ${mebibytes(neededBytes)} there.`;
  return new DrawbridgeError({
    kind: "resource_exhausted",
    code: "DISK_FULL",
    message: `no space left at ${directory} for ${what}.${need} Free some space, then try again.`,
    details: { directory, ...(neededBytes === undefined ? {} : { neededBytes: String(neededBytes) }) },
    cause: toError(cause),
  });
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
