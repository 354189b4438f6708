import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aBundle } from "./support/bundles.ts";
import { startEnvironment, type Environment } from "./support/environment.ts";
import { codeOf, open, send } from "./support/http.ts";

const MiB = 2 ** 20;
let environment: Environment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment[Symbol.asyncDispose]());

/** Peak of the resident memory of a process (proc_pid_status(5)). */
async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

function tarHeader(name: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${sizeBytes.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write("        0", 148);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

/** A bundle with one file of 300 MB that does not compress, made without holding it. */
async function writeLargeBundle(file: string) {
  const manifest = Buffer.from(
    `apiVersion: drawbridge/v1\nname: large\nversion: "1.0.0"\nruntime: { command: [node] }\n`,
  );
  const block = randomBytes(MiB);
  async function* tar() {
    yield tarHeader("drawbridge.yaml", manifest.byteLength);
    yield manifest;
    yield Buffer.alloc(512 - manifest.byteLength);
    yield tarHeader("large.bin", 300 * MiB);
    for (let count = 0; count < 300; count += 1) {
      block.writeUInt32BE(count);
      yield Buffer.from(block);
    }
    yield Buffer.alloc(1024);
  }
  const hash = createHash("sha256");
  async function* hashed(chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  }
  await pipeline(tar(), createGzip({ level: 0 }), hashed, createWriteStream(file));
  const digest = `sha256:${hash.digest("hex")}`;
  return { digest, path: `/v1/bundles/${digest}`, sizeBytes: (await stat(file)).size };
}

test.skipIf(!existsSync("/proc/self/status"))("300 MB pass in and out without ever being in memory", async () => {
  const file = join(environment.folder, "large.tgz");
  const bundle = await writeLargeBundle(file);
  await using resolver = await environment.start();
  const beforeBytes = await peakBytes(resolver.pid);
  const stored = await send({
    identity: environment.managementApi,
    port: resolver.ports.upload,
    method: "PATCH",
    path: bundle.path,
    headers: { "upload-offset": 0, "upload-length": bundle.sizeBytes },
    body: createReadStream(file),
  });
  expect(stored.status).toBe(201);
  environment.peers.deployed.add(`${environment.fabricId} ${bundle.digest}`);
  const { answered } = await open({
    identity: environment.agent,
    port: resolver.ports.fabric,
    method: "GET",
    path: bundle.path,
  });
  const hash = createHash("sha256");
  for await (const chunk of await answered) hash.update(chunk as Buffer); // no encoding was set
  expect(`sha256:${hash.digest("hex")}`).toBe(bundle.digest);
  const grownBytes = (await peakBytes(resolver.pid)) - beforeBytes;
  expect(grownBytes / MiB).toBeLessThan(120); // buffers and what the collector lets lie; a copy would be 300
  await rm(file);
});

/** A full disk is a real one: a file system of 4 MiB in a mount namespace of our own, where the kernel lets us have one. */
const canMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

test.skipIf(!canMount)(
  "a full disk is 507 DISK_FULL with need and room, nothing is left half done, and smaller bundles still fit",
  async () => {
    const disk = join(environment.folder, "disk");
    await mkdir(disk);
    await using resolver = await environment.start({
      env: { DRAWBRIDGE_BLOB_DIR: disk },
      shell: `mount -t tmpfs -o size=4m tmpfs "${disk}" && exec "$@"`,
    });
    const [large, small] = [
      await aBundle(environment.folder, { sizeBytes: 3 * MiB }),
      await aBundle(environment.folder),
    ];
    const patch = (bundle: typeof large, from: number, to: number, length = bundle.bytes.byteLength) =>
      send({
        identity: environment.managementApi,
        port: resolver.ports.upload,
        method: "PATCH",
        path: bundle.path,
        headers: { "upload-offset": from, "upload-length": length },
        body: bundle.bytes.subarray(from, to),
      });
    // Too large from the start: refused before a byte is written.
    const refused = await patch(large, 0, 0, 100 * MiB);
    expect([refused.status, codeOf(refused)]).toEqual([507, "DISK_FULL"]);
    expect(refused.body.toString()).toMatch(/needs 100\.0 MiB and \d\.\d MiB are free/);
    // Fills up on the way: another bundle, which fits beside the first MiB of this one, takes the room for the rest.
    const other = await aBundle(environment.folder, { sizeBytes: 2.5 * MiB });
    async function* withRival() {
      yield large.bytes.subarray(0, MiB);
      expect((await patch(other, 0, 2 * MiB + 400 * 1024)).status).toBe(204);
      yield large.bytes.subarray(MiB);
    }
    const full = await send({
      identity: environment.managementApi,
      port: resolver.ports.upload,
      method: "PATCH",
      path: large.path,
      headers: { "upload-offset": 0, "upload-length": large.bytes.byteLength },
      body: withRival(),
    });
    expect([full.status, codeOf(full)]).toEqual([507, "DISK_FULL"]);
    const root = `/proc/${resolver.pid}/root${disk}`;
    expect(await readdir(join(root, "partial"))).toEqual([other.digest.slice(7)]);
    expect((await patch(small, 0, small.bytes.byteLength)).status).toBe(201);
    expect(await readdir(join(root, "sha256"))).toEqual([small.digest.slice(7, 9)]);
  },
);
