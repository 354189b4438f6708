import { malformed, pathTraversal, tooLarge } from "./bundle-error.ts";
import type { BundleLimits } from "./bundle-limits.ts";
import { foldPath, parseEntryPath, parseLinkTarget } from "./entry-path.ts";

/** Links followed on the way to one file; Linux stops at 40 (path_resolution(7)). */
const maxLinkHops = 40;

export type TreeNode =
  | { readonly type: "directory" }
  | { readonly type: "file"; readonly sizeBytes: number; readonly isExecutable: boolean }
  | { readonly type: "symlink"; readonly target: string; readonly segments: readonly string[] };

/** An entry as its header describes it. */
export interface EntryHeader {
  readonly path: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly linkTarget: string | undefined;
}

/** A checked entry, at a path relative to the root. */
export type ArchiveEntry = TreeNode & { readonly path: string };

/**
 * What an archive holds so far, and the rules that every further entry must keep: it stays inside, it is a file, a directory or a symbolic
 * link, no path comes twice (also not in other letters), and nothing lies below a file or a link.
 */
export class ArchiveTree {
  readonly #limits: Pick<BundleLimits, "maxEntries" | "maxPathBytes">;
  readonly #nodes = new Map<string, TreeNode>();
  /** Folded path -> the spelling that came first. */
  readonly #spellings = new Map<string, string>();
  /** Directories that have an entry of their own, as against those that only a path implies. */
  readonly #explicit = new Set<string>();
  #entries = 0;

  constructor(limits: Pick<BundleLimits, "maxEntries" | "maxPathBytes">) {
    this.#limits = limits;
  }

  /** Take the next entry. Undefined for the entry of the root itself. Throws what `parseEntryPath` throws, BUNDLE_MALFORMED or BUNDLE_TOO_LARGE. */
  add(header: EntryHeader): ArchiveEntry | undefined {
    this.#entries += 1;
    if (this.#entries > this.#limits.maxEntries) throw tooLarge(`it has more than ${this.#limits.maxEntries} entries`);
    const segments = parseEntryPath(header.path, this.#limits.maxPathBytes);
    const node = nodeOf(header, this.#limits.maxPathBytes);
    if (segments.length === 0) {
      if (node.type === "directory") return undefined;
      throw malformed("stands for the root but is no directory", { entry: header.path });
    }
    for (let depth = 1; depth < segments.length; depth += 1) this.#addParent(segments.slice(0, depth), header.path);
    const path = segments.join("/");
    this.#claimSpelling(segments, header.path);
    if (this.#nodes.has(path)) this.#refuseUnlessImplied(path, node, header.path);
    if (node.type === "directory") this.#explicit.add(path);
    this.#nodes.set(path, node);
    return { ...node, path };
  }

  get(path: string): TreeNode | undefined {
    return this.#nodes.get(path);
  }

  /**
   * Follow every link to its end, through the other links, as the operating system would.
   * @throws DrawbridgeError `BUNDLE_PATH_TRAVERSAL` for a link that leaves the root on the way, `BUNDLE_MALFORMED` for one that ends nowhere or in a loop.
   */
  assertLinksInside(): void {
    for (const [path, node] of this.#nodes) {
      if (node.type === "symlink") this.#resolve(path, node.segments);
    }
  }

  #resolve(linkPath: string, target: readonly string[]): void {
    const at = linkPath.split("/").slice(0, -1);
    const todo = [...target];
    let hops = 0;
    for (let segment = todo.shift(); segment !== undefined; segment = todo.shift()) {
      if (segment === "..") {
        if (at.length === 0) throw pathTraversal(linkPath, "is a link that leaves the bundle");
        at.pop();
        continue;
      }
      const here = [...at, segment].join("/");
      const node = this.#nodes.get(here);
      if (node === undefined) throw malformed("is a link to something that is not in the bundle", { entry: linkPath });
      if (node.type === "symlink") {
        hops += 1;
        if (hops > maxLinkHops) throw malformed("is a link that goes in circles", { entry: linkPath });
        todo.unshift(...node.segments);
      } else {
        if (node.type === "file" && todo.length > 0)
          throw malformed("is a link to something below a file", { entry: linkPath });
        at.push(segment);
      }
    }
  }

  #addParent(segments: readonly string[], entry: string): void {
    const path = segments.join("/");
    const existing = this.#nodes.get(path);
    if (existing?.type === "directory") return;
    if (existing?.type === "symlink") throw pathTraversal(entry, "lies below a link");
    if (existing?.type === "file") throw malformed("lies below a file", { entry });
    this.#claimSpelling(segments, entry);
    this.#nodes.set(path, { type: "directory" });
  }

  #claimSpelling(segments: readonly string[], entry: string): void {
    const folded = foldPath(segments);
    const path = segments.join("/");
    const earlier = this.#spellings.get(folded);
    if (earlier !== undefined && earlier !== path) {
      throw malformed(`differs from "${earlier}" only in upper and lower case or in the form of its characters`, {
        entry,
      });
    }
    this.#spellings.set(folded, path);
  }

  #refuseUnlessImplied(path: string, node: TreeNode, entry: string): void {
    const isImplied = this.#nodes.get(path)?.type === "directory" && !this.#explicit.has(path);
    if (!isImplied || node.type !== "directory") throw malformed("comes twice", { entry });
  }
}

function nodeOf(header: EntryHeader, maxPathBytes: number): TreeNode {
  if (header.type !== "file" && header.sizeBytes !== 0)
    throw malformed("has content but is no file", { entry: header.path });
  switch (header.type) {
    case "file":
      return { type: "file", sizeBytes: header.sizeBytes, isExecutable: (header.mode & 0o100) !== 0 };
    case "directory":
      return { type: "directory" };
    case "symlink": {
      const target = header.linkTarget ?? "";
      return { type: "symlink", target, segments: parseLinkTarget(header.path, target, maxPathBytes) };
    }
    case "link":
      parseEntryPath(header.linkTarget ?? "", maxPathBytes); // a hard link out of the bundle is a traversal, any other merely not allowed
      throw malformed("is a hard link; only files, directories and symbolic links are allowed", { entry: header.path });
    default:
      throw malformed(`is a ${header.type}; only files, directories and symbolic links are allowed`, {
        entry: header.path,
      });
  }
}
