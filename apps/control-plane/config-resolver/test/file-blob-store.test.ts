import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { createFileBlobStore } from "../src/blobs/file-blob-store.ts";

const content = Buffer.from("a bundle");
const digest = `sha256:${createHash("sha256").update(content).digest("hex")}` as const;

async function aStore(root: string) {
  const blobs = createFileBlobStore(root);
  await blobs.start(new AbortController().signal);
  async function* chunks() {
    yield content;
  }
  await blobs.append(digest, { offset: 0, maxBytes: content.byteLength, chunks: chunks() });
  await blobs.promote(digest);
  return blobs;
}

test("a blob is not removed while it is read, and goes when every reader is done", async () => {
  await using folder = await tempDir();
  const blobs = await aStore(folder.path);
  const [streamed, closed] = [await blobs.open(digest), await blobs.open(digest)];
  expect(await blobs.removeStored(digest)).toEqual({ outcome: "in-use" });
  await closed?.close();
  expect(await blobs.removeStored(digest)).toEqual({ outcome: "in-use" });
  const stream = streamed?.stream({ start: 0, end: content.byteLength - 1 });
  if (stream === undefined) throw new Error("the blob is not there");
  const ended = new Promise((resolve) => stream.once("close", resolve));
  expect(await buffer(stream)).toEqual(content);
  await ended;
  expect(await blobs.removeStored(digest)).toEqual({ outcome: "removed", sizeBytes: content.byteLength });
  expect(await blobs.removeStored(digest)).toEqual({ outcome: "removed", sizeBytes: 0 });
  expect(await blobs.open(digest)).toBe(undefined);
});

test("a partial blob that somebody went on with meanwhile is not discarded", async () => {
  await using folder = await tempDir();
  const blobs = createFileBlobStore(folder.path);
  await blobs.start(new AbortController().signal);
  async function* chunks() {
    yield content;
  }
  await blobs.append(digest, { offset: 0, maxBytes: 100, chunks: chunks() });
  expect(await blobs.discardPartialUntouchedSince(digest, new Date(0))).toBe(undefined);
  expect(await blobs.usage()).toMatchObject({
    stored: { count: 0, sizeBytes: 0 },
    partial: { count: 1, sizeBytes: content.byteLength },
  });
  expect(await blobs.discardPartialUntouchedSince(digest, new Date(Date.now() + 60_000))).toBe(content.byteLength);
});
