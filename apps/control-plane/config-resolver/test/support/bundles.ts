import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { writeBundleFile } from "@drawbridge/bundle";

export interface TestBundle {
  readonly bytes: Buffer;
  readonly digest: string;
  readonly path: string;
}

function named(bytes: Buffer): TestBundle {
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { bytes, digest, path: `/v1/bundles/${digest}` };
}

/** A good bundle, different every time. */
export async function aBundle(folder: string, options: { readonly sizeBytes?: number } = {}): Promise<TestBundle> {
  const directory = join(folder, `app-${randomBytes(6).toString("hex")}`);
  await mkdir(directory);
  await writeFile(
    join(directory, "drawbridge.yaml"),
    `apiVersion: drawbridge/v1\nname: sample\nversion: "1.2.3"\nruntime: { command: [node, server.mjs] }\n`,
  );
  await writeFile(join(directory, "data.bin"), randomBytes(options.sizeBytes ?? 10_000));
  await writeBundleFile({ directory, file: `${directory}.tgz` });
  return named(await readFile(`${directory}.tgz`));
}

/** The same with one path in it replaced, header checksum included, as no packer of ours would write it. */
export function withPath(bundle: TestBundle, path: string, replacement: string): TestBundle {
  const tar = gunzipSync(bundle.bytes);
  const at = tar.indexOf(Buffer.from(`${path}\0`));
  tar.fill(0, at, at + 100);
  tar.write(replacement, at);
  tar.fill(" ", at + 148, at + 156);
  const sum = tar.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
  tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148);
  return named(gzipSync(tar));
}

export function withoutManifest(bundle: TestBundle): TestBundle {
  return withPath(bundle, "drawbridge.yaml", "other.yaml");
}

export function notABundle(): TestBundle {
  return named(Buffer.from("<html>this is no bundle</html>"));
}
