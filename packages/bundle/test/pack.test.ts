import { spawnSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { inspectBundle, packBundle, unpackBundle, writeBundleFile, type PackBundleOptions } from "../src/index.ts";
import { inPieces, manifestText, temporaryDirectory } from "./tar-builder.ts";

async function writeTree(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}

async function pack(directory: string, options: Partial<PackBundleOptions> = {}) {
  let bytes: Buffer = Buffer.alloc(0);
  const packed = await packBundle({
    directory,
    write: async (archive) => {
      bytes = await buffer(archive);
    },
    ...options,
  });
  return { ...packed, bytes };
}

async function pathsIn(bytes: Buffer): Promise<readonly string[]> {
  return (await inspectBundle(inPieces(bytes))).entries.map((entry) => entry.path);
}

test("makes the same bytes whatever the times, the umask and the order of creation", async () => {
  await using one = await temporaryDirectory();
  await using two = await temporaryDirectory();
  const files = {
    "drawbridge.yaml": manifestText,
    "server.mjs": "export {};",
    "lib/a.txt": "a",
    "lib/B.txt": "b",
    "z/é.txt": "c",
  };
  await writeTree(one.path, files);
  await writeTree(two.path, Object.fromEntries(Object.entries(files).toReversed()));
  await chmod(join(one.path, "server.mjs"), 0o755);
  await chmod(join(two.path, "server.mjs"), 0o700);
  await chmod(join(two.path, "lib/a.txt"), 0o600);
  await utimes(join(two.path, "lib/a.txt"), new Date(0), new Date(1_000_000));
  const first = await pack(one.path);
  const second = await pack(two.path);
  expect(second.digest).toBe(first.digest);
  expect(first.bytes.subarray(4, 10)).toEqual(Buffer.from([0, 0, 0, 0, 0, 255])); // no time, no system (RFC 1952)
  const header = gunzipSync(first.bytes).subarray(0, 512).toString("latin1");
  const [uid, gid, mtime] = [header.slice(108, 116), header.slice(116, 124), header.slice(136, 148)];
  expect([uid, gid, mtime].map((octal) => Number.parseInt(octal, 8))).toEqual([0, 0, 0]); // POSIX ustar
  expect(await pathsIn(first.bytes)).toEqual(["drawbridge.yaml", "lib/B.txt", "lib/a.txt", "server.mjs", "z/é.txt"]);
});

test("gives the digest, size and manifest that an inspection finds", async () => {
  await using folder = await temporaryDirectory();
  await writeTree(folder.path, { "drawbridge.yaml": manifestText, "a.txt": "x".repeat(100_000) });
  const packed = await pack(folder.path);
  const inspection = await inspectBundle(inPieces(packed.bytes), { expectedDigest: packed.digest });
  expect(inspection).toMatchObject({ digest: packed.digest, sizeBytes: packed.sizeBytes, manifest: packed.manifest });
  expect(packed).toMatchObject({ files: 2, contentBytes: 100_000 + manifestText.length });
});

test("brings back what was packed, for any content and any names", async () => {
  const name = fc
    .stringMatching(/^[a-z0-9é._ -]{1,12}$/u)
    .filter((text) => !/^\.+$/.test(text) && text !== "drawbridge.yaml");
  const tree = fc.dictionary(
    fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.map((part) => `d${part}`).join("/")),
    fc.string({ unit: "binary", maxLength: 3_000 }),
    { maxKeys: 6 },
  );
  await fc.assert(
    fc.asyncProperty(tree, async (files) => {
      const paths = Object.keys(files);
      fc.pre(!paths.some((path) => paths.some((other) => other.startsWith(`${path}/`))));
      await using folder = await temporaryDirectory();
      await writeTree(join(folder.path, "in"), { ...files, "drawbridge.yaml": manifestText });
      const packed = await pack(join(folder.path, "in"));
      await unpackBundle({
        source: inPieces(packed.bytes),
        directory: join(folder.path, "out"),
        expectedDigest: packed.digest,
      });
      for (const path of paths)
        expect(await readFile(join(folder.path, "out", path), "utf8")).toBe(
          await readFile(join(folder.path, "in", path), "utf8"),
        );
    }),
    { numRuns: 25 },
  );
});

test("leaves out version control, secrets of the developer and what .drawbridgeignore names", async () => {
  await using folder = await temporaryDirectory();
  await writeTree(folder.path, {
    "drawbridge.yaml": manifestText,
    "server.mjs": "",
    ".git/config": "",
    ".env": "SECRET=1",
    ".env.example": "SECRET=",
    ".npmrc": "//registry/:_authToken=1",
    "old.tgz": "",
    "test/a.test.mjs": "",
    "log/x.log": "",
    "log/keep.log": "",
    ".drawbridgeignore": "test/\n*.log\n!keep.log\n!.env.example\ndrawbridge.yaml\n",
  });
  const packed = await pack(folder.path, { ignore: ["server.mjs"] });
  expect(await pathsIn(packed.bytes)).toEqual(["drawbridge.yaml", ".env.example", "log/keep.log"]);
});

test("stores links that stay inside as short relative links", async () => {
  await using folder = await temporaryDirectory();
  const root = join(folder.path, "app");
  await writeTree(root, { "drawbridge.yaml": manifestText, "lib/a.txt": "a" });
  await symlink(join(root, "lib/a.txt"), join(root, "absolute"));
  await symlink("../app/lib", join(root, "detour"));
  const { bytes } = await pack(root);
  const { entries } = await inspectBundle(inPieces(bytes));
  expect(entries.filter((entry) => entry.type === "symlink")).toMatchObject([
    { path: "absolute", target: "lib/a.txt" },
    { path: "detour", target: "lib" },
  ]);
});

test.each<[string, (root: string) => Promise<unknown>, string]>([
  [
    "a link out of the directory",
    (root) => symlink("/etc/hostname", join(root, "link")),
    "link is a link out of the directory",
  ],
  ["a link to nothing", (root) => symlink("missing", join(root, "link")), "link is a link to nothing"],
  [
    "a link to what is left out",
    (root) => writeTree(root, { ".env": "" }).then(() => symlink(".env", join(root, "link"))),
    "link is a link to something that is not in the bundle",
  ],
  ["names that differ in case only", (root) => writeTree(root, { "A.txt": "", "a.txt": "" }), 'differs from "'],
  ["a name that Windows reads as a path", (root) => writeTree(root, { "a\\b": "" }), "has a backslash"],
])("refuses %s and names it (BUNDLE_SOURCE_INVALID)", async (_what, prepare, message) => {
  await using folder = await temporaryDirectory();
  await writeTree(folder.path, { "drawbridge.yaml": manifestText });
  await prepare(folder.path);
  await expect(pack(folder.path)).rejects.toMatchObject({
    code: "BUNDLE_SOURCE_INVALID",
    message: expect.stringContaining(message) as string,
  });
});

test("refuses a pipe instead of waiting for it", async () => {
  await using folder = await temporaryDirectory();
  await writeTree(folder.path, { "drawbridge.yaml": manifestText });
  expect(spawnSync("mkfifo", [join(folder.path, "pipe")]).status).toBe(0);
  await expect(pack(folder.path)).rejects.toMatchObject({ code: "BUNDLE_SOURCE_INVALID", details: { path: "pipe" } });
});

test("says that there is no manifest, and where a wrong one is wrong", async () => {
  await using folder = await temporaryDirectory();
  await expect(pack(folder.path)).rejects.toMatchObject({ code: "BUNDLE_MANIFEST_MISSING" });
  await writeTree(folder.path, { "drawbridge.yaml": `${manifestText}replicas: 1\n` });
  await expect(pack(folder.path)).rejects.toMatchObject({
    code: "MANIFEST_INVALID",
    details: { file: join(folder.path, "drawbridge.yaml"), line: "5" },
  });
});

test("stops at the size limit, and when a file changes under it", async () => {
  await using folder = await temporaryDirectory();
  const random = Array.from({ length: 20_000 }, (_, index) => (index * 7_919) % 9_973).join();
  await writeTree(folder.path, { "drawbridge.yaml": manifestText, "a.txt": random, "b.txt": "b" });
  await expect(pack(folder.path, { limits: { maxSizeBytes: 1_000 } })).rejects.toMatchObject({
    code: "BUNDLE_TOO_LARGE",
  });
  await expect(pack(folder.path, { limits: { maxUnpackedBytes: 1_000 } })).rejects.toMatchObject({
    code: "BUNDLE_TOO_LARGE",
  });
  const changing = pack(folder.path, {
    // The first entry is out; the second, whose size is in no header yet but was looked up, grows now.
    onProgress: ({ files }) => {
      if (files === 1) appendFileSync(join(folder.path, "b.txt"), "more");
    },
  });
  await expect(changing).rejects.toMatchObject({ code: "BUNDLE_SOURCE_CHANGED", details: { path: "b.txt" } });
});

test("fails as the writer fails, and does not wait for a writer that stops reading", async () => {
  await using folder = await temporaryDirectory();
  await writeTree(folder.path, { "drawbridge.yaml": manifestText, "a.bin": "x".repeat(5_000_000) });
  const broken = async () => {
    throw new Error("connection reset");
  };
  await expect(pack(folder.path, { write: broken })).rejects.toThrow("connection reset");
  await expect(pack(folder.path, { write: async () => undefined })).rejects.toThrow(
    "before it had read the whole archive",
  );
});

test("reports progress up to the end", async () => {
  await using folder = await temporaryDirectory();
  await writeTree(folder.path, { "drawbridge.yaml": manifestText, "a.txt": "aaaa" });
  const seen: unknown[] = [];
  const { contentBytes } = await pack(folder.path, { onProgress: (progress) => seen.push(progress) });
  expect(seen.at(-1)).toEqual({ files: 2, totalFiles: 2, bytes: contentBytes, totalBytes: contentBytes });
});

test("writes a file as a whole or not at all", async () => {
  await using folder = await temporaryDirectory();
  await writeTree(folder.path, { "app/drawbridge.yaml": manifestText });
  const packed = await writeBundleFile({ directory: join(folder.path, "app"), file: join(folder.path, "out.tgz") });
  expect(packed.sizeBytes).toBe((await readFile(join(folder.path, "out.tgz"))).byteLength);
  await rm(join(folder.path, "out.tgz"));
  await expect(
    writeBundleFile({
      directory: join(folder.path, "app"),
      file: join(folder.path, "out.tgz"),
      limits: { maxSizeBytes: 10 },
    }),
  ).rejects.toMatchObject({ code: "BUNDLE_TOO_LARGE" });
  expect(await readdir(folder.path)).toEqual(["app"]);
});
