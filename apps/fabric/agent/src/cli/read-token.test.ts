import { writeFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { readToken } from "./read-token.ts";

const nothing = Readable.from([]);

test("reads no more than 16 KiB of a token, from a file as from standard input", async () => {
  await using folder = await tempDir();
  const path = `${folder.path}/token.txt`;
  const tooMuch = "x".repeat(16 * 1024 + 1);
  const refused = { code: "ACTIVATION_TOKEN_UNREADABLE", message: expect.stringContaining("more than a token") };
  await writeFile(path, tooMuch);
  await expect(readToken(path, nothing)).rejects.toMatchObject(refused);
  await expect(readToken("-", Readable.from([tooMuch]))).rejects.toMatchObject(refused);
  await expect(readToken("/dev/zero", nothing)).rejects.toMatchObject(refused);
  await writeFile(path, tooMuch.slice(1)); // as much as is read: what it says is looked at
  await expect(readToken(path, nothing)).rejects.toMatchObject({ code: "ACTIVATION_TOKEN_MALFORMED" });
});

test("names a file that cannot be read", async () => {
  await expect(readToken("/nowhere/token", nothing)).rejects.toMatchObject({
    code: "ACTIVATION_TOKEN_UNREADABLE",
    message: "the file /nowhere/token cannot be read (ENOENT)",
  });
});
