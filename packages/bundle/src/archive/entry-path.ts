import { malformed, pathTraversal } from "./bundle-error.ts";

/** Longest name of a file on the usual file systems (NAME_MAX). */
const maxSegmentBytes = 255;

/**
 * The path of an archive entry as its segments, none of them empty, "." or "..". One leading "./" and one trailing "/" are taken off, as tar
 * writes them; the root itself gives no segments.
 * @throws DrawbridgeError `BUNDLE_PATH_TRAVERSAL` for a path that leaves the root or could on some system, `BUNDLE_MALFORMED` for one that is not clean.
 */
export function parseEntryPath(path: string, maxPathBytes: number): readonly string[] {
  refuseUnclean(path, path);
  if (path.startsWith("/")) throw pathTraversal(path, "has an absolute path");
  if (Buffer.byteLength(path) > maxPathBytes)
    throw malformed(`has a path of more than ${maxPathBytes} bytes`, { entry: path });
  const trimmed = path.replace(/^\.\//, "").replace(/\/$/, "");
  if (trimmed === "" || trimmed === ".") return [];
  if (/^[A-Za-z]:/.test(trimmed)) throw pathTraversal(path, "begins with a drive letter");
  const segments = trimmed.split("/");
  for (const segment of segments) {
    if (segment === "..") throw pathTraversal(path, 'leaves the bundle through ".."');
    if (segment === "" || segment === ".") throw malformed('has an empty or "." part in its path', { entry: path });
    if (Buffer.byteLength(segment) > maxSegmentBytes)
      throw malformed(`has a name of more than ${maxSegmentBytes} bytes`, { entry: path });
  }
  return segments;
}

/**
 * Where a symbolic link points, as segments that may be "..": relative to the folder of the link, or absolute, which is refused. Whether
 * it stays inside is decided by `resolveLinks`, which knows the other links.
 */
export function parseLinkTarget(linkPath: string, target: string, maxPathBytes: number): readonly string[] {
  refuseUnclean(target, linkPath);
  if (target === "") throw malformed("is a link to nothing", { entry: linkPath });
  if (target.startsWith("/") || /^[A-Za-z]:/.test(target))
    throw pathTraversal(linkPath, "is a link with an absolute target");
  if (Buffer.byteLength(target) > maxPathBytes)
    throw malformed(`is a link to a path of more than ${maxPathBytes} bytes`, { entry: linkPath });
  return target.split("/").filter((segment) => segment !== "" && segment !== ".");
}

/** Two paths with the same key are one file on a file system that ignores case or normalises Unicode. */
export function foldPath(segments: readonly string[]): string {
  return segments.map((segment) => segment.normalize("NFKC").toLowerCase().normalize("NFKC")).join("/");
}

function refuseUnclean(text: string, entry: string): void {
  if (text.includes("\\"))
    throw pathTraversal(entry, "has a backslash in its path, which some systems take for a separator");
  // U+FFFD stands where bytes were not UTF-8: two such names could be one file here and two elsewhere.
  if (/[\p{Cc}\u{200B}-\u{200F}\u{202A}-\u{202E}\u{2060}-\u{2064}\u{FEFF}\u{FFFD}]/u.test(text)) {
    throw malformed("has control, invisible or undecodable characters in its path", { entry });
  }
}
