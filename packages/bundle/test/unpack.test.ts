import { lstat, mkdir, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inspectBundle, removeAbandonedUnpacks, unpackBundle, type BundleLimits } from "../src/index.ts";
import {
  archiveOf,
  asArchive,
  gzipped,
  inPieces,
  manifestText,
  paxEntry,
  rawEntry,
  temporaryDirectory,
  type TestArchive,
} from "./tar-builder.ts";

const good = archiveOf(
  rawEntry({ name: "server.mjs", content: "export {};\n", mode: 0o755 }),
  rawEntry({ name: "lib/", type: "5" }),
  rawEntry({ name: "lib/a.txt", content: "a" }),
  rawEntry({ name: "current", type: "2", linkTarget: "lib/a.txt" }),
);

/** Unpacks and gives the code of the error, after making sure that nothing was left behind. */
async function refusal(archive: TestArchive, limits: Partial<BundleLimits> = {}): Promise<unknown> {
  await using folder = await temporaryDirectory();
  const unpacking = unpackBundle({
    source: inPieces(archive.bytes),
    directory: join(folder.path, "app"),
    expectedDigest: archive.digest,
    limits,
  });
  const code: unknown = await unpacking.then(
    () => "unpacked",
    (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
  );
  expect(await readdir(folder.path)).toEqual([]);
  const inspected: unknown = await inspectBundle(inPieces(archive.bytes), { limits }).then(
    () => "inspected",
    (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
  );
  expect(inspected).toBe(code);
  return code;
}

test("unpacks files, directories and links, read-only, with the manifest", async () => {
  await using folder = await temporaryDirectory();
  const directory = join(folder.path, "app");
  const result = await unpackBundle({ source: inPieces(good.bytes, 7), directory, expectedDigest: good.digest });
  expect(result).toMatchObject({
    digest: good.digest,
    sizeBytes: good.bytes.byteLength,
    files: 4,
    manifest: { name: "sample" },
  });
  expect(await readFile(join(directory, "drawbridge.yaml"), "utf8")).toBe(manifestText);
  expect(await readlink(join(directory, "current"))).toBe("lib/a.txt");
  expect(await readFile(join(directory, "current"), "utf8")).toBe("a");
  const modes = await Promise.all(
    ["", "lib", "server.mjs", "lib/a.txt"].map(async (path) => (await lstat(join(directory, path))).mode & 0o777),
  );
  expect(modes).toEqual([0o555, 0o555, 0o555, 0o444]);
});

test.each<[string, TestArchive]>([
  ["a path upwards", archiveOf(rawEntry({ name: "../evil", content: "x" }))],
  ["a path upwards in a pax record", archiveOf(paxEntry({ path: "a/../../evil" }, { name: "harmless", content: "x" }))],
  ["an absolute path", archiveOf(rawEntry({ name: "/etc/cron.d/evil", content: "x" }))],
  ["a backslash path", archiveOf(rawEntry({ name: "..\\evil", content: "x" }))],
  ["a link upwards", archiveOf(rawEntry({ name: "up", type: "2", linkTarget: "../.." }))],
  [
    "a link upwards in a pax record",
    archiveOf(paxEntry({ linkpath: "/etc" }, { name: "up", type: "2", linkTarget: "drawbridge.yaml" })),
  ],
  [
    "a file written through a link",
    archiveOf(
      rawEntry({ name: "lib/x" }),
      rawEntry({ name: "d", type: "2", linkTarget: "lib" }),
      rawEntry({ name: "d/evil", content: "x" }),
    ),
  ],
  ["a hard link out", archiveOf(rawEntry({ name: "h", type: "1", linkTarget: "/etc/shadow" }))],
])("refuses %s (BUNDLE_PATH_TRAVERSAL) and leaves nothing behind", async (_what, archive) => {
  expect(await refusal(archive)).toBe("BUNDLE_PATH_TRAVERSAL");
});

test.each<[string, TestArchive]>([
  ["a device", archiveOf(rawEntry({ name: "null", type: "3" }))],
  ["a fifo", archiveOf(rawEntry({ name: "pipe", type: "6" }))],
  ["an entry of unknown type", archiveOf(rawEntry({ name: "odd", type: "Z" }))],
  ["a second manifest", archiveOf(rawEntry({ name: "drawbridge.yaml", content: "other" }))],
  ["a second manifest in capitals", archiveOf(rawEntry({ name: "Drawbridge.YAML", content: "other" }))],
  [
    "a file that is also a directory",
    archiveOf(rawEntry({ name: "a", content: "x" }), rawEntry({ name: "a/b", content: "y" })),
  ],
  ["a directory with a size", archiveOf(rawEntry({ name: "d", type: "5", claimedSize: 512, content: "x" }))],
  ["a file shorter than its header says", archiveOf(rawEntry({ name: "a", claimedSize: 1_000_000, content: "x" }))],
  ["an archive cut off in the middle", asArchive(good.bytes.subarray(0, -40))],
  [
    "an archive with flipped bits",
    asArchive(Buffer.from(good.bytes.map((byte, index) => (index === 60 ? byte ^ 0xff : byte)))),
  ],
  ["something that is no archive", asArchive(Buffer.from("<html>not found</html>".repeat(100)))],
  ["gzip of something that is no tar", gzipped(Buffer.from("hello ".repeat(1_000)))],
  ["nothing at all", asArchive(Buffer.alloc(0))],
])("refuses %s (BUNDLE_MALFORMED) and leaves nothing behind", async (_what, archive) => {
  expect(await refusal(archive)).toBe("BUNDLE_MALFORMED");
});

test.each<[string, TestArchive, Partial<BundleLimits>]>([
  [
    "a zip bomb, by ratio",
    archiveOf(rawEntry({ name: "zeros", content: Buffer.alloc(8_000_000) })),
    { ratioGraceBytes: 1_000_000 },
  ],
  [
    "a zip bomb, by size",
    archiveOf(rawEntry({ name: "zeros", content: Buffer.alloc(100_000) })),
    { maxUnpackedBytes: 50_000 },
  ],
  [
    "a header bomb: no content, only headers",
    archiveOf(...Array.from({ length: 200 }, (_, index) => rawEntry({ name: `f${index}` }))),
    { maxUnpackedBytes: 50_000 },
  ],
  [
    "too many entries",
    archiveOf(...Array.from({ length: 20 }, (_, index) => rawEntry({ name: `f${index}` }))),
    { maxEntries: 10 },
  ],
  ["a bundle over the size limit", good, { maxSizeBytes: 100 }],
  [
    "a manifest over the limit",
    gzipped(rawEntry({ name: "drawbridge.yaml", content: `${manifestText}#${"x".repeat(300_000)}` })),
    {},
  ],
])("refuses %s (BUNDLE_TOO_LARGE) and leaves nothing behind", async (_what, archive, limits) => {
  expect(await refusal(archive, limits)).toBe("BUNDLE_TOO_LARGE");
});

test("refuses a bundle without a manifest, and one whose manifest is further down", async () => {
  expect(await refusal(gzipped(Buffer.concat([rawEntry({ name: "a", content: "x" }), Buffer.alloc(1024)])))).toBe(
    "BUNDLE_MANIFEST_MISSING",
  );
  expect(await refusal(gzipped(rawEntry({ name: "app/drawbridge.yaml", content: manifestText })))).toBe(
    "BUNDLE_MANIFEST_MISSING",
  );
  expect(
    await refusal(
      gzipped(
        Buffer.concat([
          rawEntry({ name: "m.yaml" }),
          rawEntry({ name: "drawbridge.yaml", type: "2", linkTarget: "m.yaml" }),
        ]),
      ),
    ),
  ).toBe("BUNDLE_MANIFEST_MISSING");
});

test("refuses a bundle with an invalid manifest and names line and field", async () => {
  const archive = gzipped(rawEntry({ name: "drawbridge.yaml", content: `${manifestText}replicas: 3\n` }));
  expect(await refusal(archive)).toBe("MANIFEST_INVALID");
});

test.each([
  ["a good bundle", good],
  ["a cut one", asArchive(good.bytes.subarray(0, -40))],
  ["a malicious one", archiveOf(rawEntry({ name: "../evil", content: "x" }))],
])(
  "says BUNDLE_DIGEST_MISMATCH for %s with another digest, before anything else, and leaves nothing behind",
  async (_what, archive) => {
    await using folder = await temporaryDirectory();
    const expectedDigest = `sha256:${"0".repeat(64)}`;
    await expect(
      unpackBundle({ source: inPieces(archive.bytes), directory: join(folder.path, "app"), expectedDigest }),
    ).rejects.toMatchObject({
      code: "BUNDLE_DIGEST_MISMATCH",
      details: { expected: expectedDigest, actual: archive.digest },
    });
    expect(await readdir(folder.path)).toEqual([]);
  },
);

test("passes on the error of a source that breaks, and leaves nothing behind", async () => {
  await using folder = await temporaryDirectory();
  async function* broken() {
    yield good.bytes.subarray(0, 100);
    throw new Error("connection reset");
  }
  await expect(
    unpackBundle({ source: broken(), directory: join(folder.path, "app"), expectedDigest: good.digest }),
  ).rejects.toThrow("connection reset");
  expect(await readdir(folder.path)).toEqual([]);
});

test("stops when it is told to, and leaves nothing behind", async () => {
  await using folder = await temporaryDirectory();
  const stopping = new AbortController();
  async function* source() {
    yield good.bytes.subarray(0, 100);
    stopping.abort(new Error("stopped"));
    yield good.bytes.subarray(100);
  }
  await expect(
    unpackBundle({
      source: source(),
      directory: join(folder.path, "app"),
      expectedDigest: good.digest,
      signal: stopping.signal,
    }),
  ).rejects.toThrow("stopped");
  expect(await readdir(folder.path)).toEqual([]);
});

test("never touches a directory that exists", async () => {
  await using folder = await temporaryDirectory();
  await mkdir(join(folder.path, "app"));
  await expect(
    unpackBundle({ source: inPieces(good.bytes), directory: join(folder.path, "app"), expectedDigest: good.digest }),
  ).rejects.toMatchObject({ code: "BUNDLE_TARGET_EXISTS" });
  expect(await readdir(folder.path)).toEqual(["app"]);
});

test("clears away what a killed unpacking left", async () => {
  await using folder = await temporaryDirectory();
  await mkdir(join(folder.path, ".unpacking-app-123/lib"), { recursive: true });
  await mkdir(join(folder.path, "sha256-abc"));
  expect(await removeAbandonedUnpacks(folder.path)).toEqual([".unpacking-app-123"]);
  expect(await readdir(folder.path)).toEqual(["sha256-abc"]);
});
