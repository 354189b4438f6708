import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, sep } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ArchiveTree, type EntryHeader } from "./archive-tree.ts";
import { defaultBundleLimits } from "./bundle-limits.ts";

const file = (path: string): EntryHeader => ({ path, type: "file", sizeBytes: 1, mode: 0o644, linkTarget: undefined });
const directory = (path: string): EntryHeader => ({
  path,
  type: "directory",
  sizeBytes: 0,
  mode: 0o755,
  linkTarget: undefined,
});
const link = (path: string, linkTarget: string): EntryHeader => ({
  path,
  type: "symlink",
  sizeBytes: 0,
  mode: 0o777,
  linkTarget,
});

function build(headers: readonly EntryHeader[]): ArchiveTree {
  const tree = new ArchiveTree(defaultBundleLimits);
  for (const header of headers) tree.add(header);
  tree.assertLinksInside();
  return tree;
}

test.each<[string, EntryHeader[], string]>([
  ["a file twice", [file("a"), file("a")], "BUNDLE_MALFORMED"],
  ["a file in other letters", [file("A/x"), file("a/y")], "BUNDLE_MALFORMED"],
  ["a directory twice", [directory("a"), directory("a/")], "BUNDLE_MALFORMED"],
  ["a link over a directory", [file("a/x"), link("a", "b")], "BUNDLE_MALFORMED"],
  ["a file below a file", [file("a"), file("a/b")], "BUNDLE_MALFORMED"],
  ["a file below a link", [file("d/x"), link("a", "d"), file("a/b")], "BUNDLE_PATH_TRAVERSAL"],
  ["a file below a link in other letters", [file("d/x"), link("A", "d"), file("a/b")], "BUNDLE_MALFORMED"],
  ["a link upwards", [link("a", "..")], "BUNDLE_PATH_TRAVERSAL"],
  ["a link to an absolute path", [link("a", "/etc")], "BUNDLE_PATH_TRAVERSAL"],
  ["a link that leaves and comes back", [file("x"), link("d/a", "../../bundle/x")], "BUNDLE_PATH_TRAVERSAL"],
  // Textually a/b/x/../.. is inside; through x, which is the root, it is not.
  [
    "a link that leaves through another link",
    [file("a/b/f"), link("a/b/x", "../.."), link("y", "a/b/x/../f")],
    "BUNDLE_PATH_TRAVERSAL",
  ],
  ["a link to nothing", [link("a", "b")], "BUNDLE_MALFORMED"],
  ["a link in circles", [link("a", "b"), link("b", "a")], "BUNDLE_MALFORMED"],
  ["a link to itself", [link("a", "a/b")], "BUNDLE_MALFORMED"],
  ["a link to something below a file", [file("f"), link("a", "f/x")], "BUNDLE_MALFORMED"],
  ["a link with an empty target", [link("a", "")], "BUNDLE_MALFORMED"],
  ["a hard link", [file("f"), { ...link("a", "f"), type: "link" }], "BUNDLE_MALFORMED"],
  ["a hard link out of the bundle", [{ ...link("a", "../../etc/shadow"), type: "link" }], "BUNDLE_PATH_TRAVERSAL"],
  ["a character device", [{ ...file("a"), sizeBytes: 0, type: "character-device" }], "BUNDLE_MALFORMED"],
  ["a block device", [{ ...file("a"), sizeBytes: 0, type: "block-device" }], "BUNDLE_MALFORMED"],
  ["a fifo", [{ ...file("a"), sizeBytes: 0, type: "fifo" }], "BUNDLE_MALFORMED"],
  ["an unknown type", [{ ...file("a"), type: "thing of an unknown kind" }], "BUNDLE_MALFORMED"],
  ["a directory with content", [{ ...directory("a"), sizeBytes: 3 }], "BUNDLE_MALFORMED"],
  ["a root that is a link", [link("./", "a")], "BUNDLE_MALFORMED"],
])("refuses %s", (_what, headers, code) => {
  expect(() => build(headers)).toThrow(expect.objectContaining({ code }));
});

test("refuses one entry too many", () => {
  const tree = new ArchiveTree({ maxEntries: 2, maxPathBytes: 100 });
  tree.add(file("a"));
  tree.add(file("b"));
  expect(() => tree.add(file("c"))).toThrow(expect.objectContaining({ code: "BUNDLE_TOO_LARGE" }));
});

test("takes links that stay inside", () => {
  const tree = build([
    file("bin/tool"),
    link("node_modules/.bin/tool", "../../bin/tool"),
    link("current", "bin"),
    link("t", "current/tool"),
    link("self", "."),
  ]);
  expect(tree.get("t")).toMatchObject({ type: "symlink", target: "current/tool" });
});

const segment = fc.constantFrom("a", "b", "c");
const path = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const target = fc
  .array(fc.oneof(segment, fc.constant("..")), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join("/"));
const anyEntry = fc.oneof(
  path.map(file),
  path.map(directory),
  fc.tuple(path, target).map(([from, to]) => link(from, to)),
);

test("no tree of links that it takes leads out of the root on a real file system", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyEntry, { minLength: 1, maxLength: 8 }), async (headers) => {
      const tree = new ArchiveTree(defaultBundleLimits);
      const taken = headers.filter((header) => {
        try {
          return tree.add(header) !== undefined;
        } catch {
          return false;
        }
      });
      try {
        tree.assertLinksInside();
      } catch {
        return;
      }
      const parent = await realpath(await mkdtemp(join(tmpdir(), "bundle-links-")));
      const root = join(parent, "root");
      try {
        for (const header of taken) {
          await mkdir(dirname(join(root, header.path)), { recursive: true });
          if (header.type === "directory") await mkdir(join(root, header.path), { recursive: true });
          if (header.type === "file") await writeFile(join(root, header.path), "");
        }
        for (const header of taken)
          if (header.linkTarget !== undefined) await symlink(header.linkTarget, join(root, header.path));
        for (const header of taken) {
          const end = await realpath(join(root, header.path)); // rejects for a link to nothing, which was to be refused
          expect(end === root || end.startsWith(root + sep)).toBe(true);
        }
      } finally {
        await rm(parent, { recursive: true });
      }
    }),
    { numRuns: 300 },
  );
});
