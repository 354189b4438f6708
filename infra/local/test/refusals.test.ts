import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { readFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { clientTlsOptions, parseTrustBundleJson } from "@drawbridge/pki";
import { Agent, request } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { canMount, mountSmallDisk, type SmallDisk } from "./support/small-disk.ts";
import { addressOf, eventually, startTestStack, type TestStack, versionAt } from "./support/running-stack.ts";

let stack: TestStack;
let address: string;
let disk: SmallDisk | undefined;

beforeAll(async () => {
  stack = await startTestStack({
    prepare: (stateDir) => {
      disk = canMount ? mountSmallDisk(join(stateDir, "agent"), 64) : undefined;
      return disk;
    },
  });
  address = addressOf(await stack.deploy(await stack.hello({ version: "1.0.0" })));
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
});

async function failedDeploy(directory: string, ...args: string[]): Promise<{ exitCode: number; stderr: string }> {
  const result = await stack.stack.cli(["app", "deploy", directory, "--fabric", "local", "--wait", ...args]);
  expect(result.exitCode).not.toBe(0);
  return result;
}

test("an app that crashes at start is a Failed condition with its exit, and the previous version keeps serving", async () => {
  const directory = await stack.hello({
    version: "2.0.0",
    edit: (path) => writeFile(join(path, "server.mjs"), "process.exit(3);\n"),
  });
  const result = await failedDeploy(directory, "--ready-timeout", "10");
  expect(result.exitCode).toBe(8);
  expect(result.stderr).toMatch(/exit (code )?3/);
  expect(await versionAt(address)).toBe("1.0.0");
  const app = await stack.show("hello");
  expect(app.status).toMatchObject({ phase: "failed", servingRevision: 1 });
  expect(app.status?.conditions).toContainEqual(
    expect.objectContaining({ type: "Failed", status: "True", reason: "CrashLoop" }),
  );
});

test("after a failed version the next good one is rolled out as usual", async () => {
  const app = await stack.deploy(await stack.hello({ version: "2.0.1" }));
  expect(app.status).toMatchObject({ phase: "running" });
  expect(await versionAt(address)).toBe("2.0.1");
});

test("a port in use is named with its number, and the previous version keeps serving", async () => {
  const blocker = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => blocker.once("listening", resolve));
  const { port } = blocker.address() as AddressInfo;
  try {
    const result = await failedDeploy(await stack.hello({ version: "1.0.0", name: "blocked" }), "--port", String(port));
    expect(result.exitCode).toBe(8);
    expect(result.stderr).toContain("PortInUse");
    expect(result.stderr).toContain(String(port));
  } finally {
    blocker.close();
  }
  expect(await versionAt(address)).toBe("2.0.1");
});

test.skipIf(!canMount)(
  "a full disk in the fabric is a DiskFull condition, and the agent goes on by itself when there is room",
  async () => {
    const before = await versionAt(address);
    disk?.fill();
    const needsRoom = (path: string): Promise<void> =>
      writeFile(join(path, "ballast.bin"), randomBytes(8 * 1024 * 1024));
    const result = await failedDeploy(await stack.hello({ version: "2.1.0", edit: needsRoom }));
    expect(result).toMatchObject({ exitCode: 8, stderr: expect.stringContaining("DiskFull") as string });
    expect(await versionAt(address)).toBe(before);
    disk?.free();
    await eventually(async () => ((await versionAt(address)) === "2.1.0" ? true : undefined));
  },
);

test("a bundle with path traversal is refused before anything is stored", async () => {
  const file = join(stack.folder, "evil.tgz");
  await writeFile(file, await evilBundle());
  const result = await failedDeploy(file);
  expect(result.stderr).toContain("BUNDLE_PATH_TRAVERSAL");
});

test("the control plane refuses path traversal too, whoever uploads", async () => {
  const bytes = await evilBundle();
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const { problem, status } = await upload(digest, bytes);
  expect(status).toBe(400);
  expect(problem).toMatchObject({ code: "BUNDLE_PATH_TRAVERSAL" });
});

test("a bundle whose bytes do not match its digest is refused and not kept", async () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const { problem, status } = await upload(digest, Buffer.from("not this"));
  expect(status).toBe(400);
  expect(problem).toMatchObject({ code: "BUNDLE_DIGEST_MISMATCH" });
});

test("a manifest with errors names file, line and field", async () => {
  const directory = await stack.hello({
    version: "1.0.0",
    name: "broken",
    edit: async (path) => {
      const manifest = join(path, "drawbridge.yaml");
      await writeFile(
        manifest,
        (await readFile(manifest, "utf8")).replace(/^version:.*$/m, "version: [1]\nbogus: true"),
      );
    },
  });
  const result = await failedDeploy(directory);
  expect(result.exitCode).toBe(2);
  expect(result.stderr).toMatch(/drawbridge\.yaml:\d+:\d+/);
  expect(result.stderr).toContain("version");
  expect(result.stderr).toContain("bogus");
});

test("a configuration value of the wrong type names the property", async () => {
  const result = await failedDeploy(await stack.hello({ version: "2.0.2" }), "--set", "NO_SUCH_PROPERTY=1");
  expect(result.exitCode).toBe(2);
  expect(result.stderr).toContain("NO_SUCH_PROPERTY");
});

/** A tar.gz that wants to write to ../escaped; made by hand because no honest tool does. */
async function evilBundle(): Promise<Buffer> {
  const manifest = Buffer.from(
    await readFile(join(await stack.hello({ version: "9.0.0", name: "evil" }), "drawbridge.yaml")),
  );
  return gzipSync(
    Buffer.concat([entry("drawbridge.yaml", manifest), entry("../escaped", Buffer.from("x")), Buffer.alloc(1024)]),
  );
}

/** One ustar entry (POSIX.1-1988). */
function entry(name: string, body: Buffer): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${body.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\u000000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

async function upload(digest: string, bytes: Buffer): Promise<{ status: number; problem: unknown }> {
  const context = JSON.parse(await readFile(join(stack.stack.layout.cli, "context.json"), "utf8")) as {
    url: string;
    token: string;
    trustBundle: string;
  };
  const tls = clientTlsOptions(
    { trustBundle: parseTrustBundleJson(context.trustBundle) },
    { expectedServer: "/cp/management-api", alpnProtocols: ["http/1.1"] },
  );
  const dispatcher = new Agent({ connect: tls as object, allowH2: false });
  try {
    const response = await request(`${context.url}/v1/bundles/${digest}`, {
      dispatcher,
      method: "PATCH",
      headers: {
        authorization: `Bearer ${context.token}`,
        "content-type": "application/octet-stream",
        "upload-offset": "0",
        "upload-length": String(bytes.length),
      },
      body: bytes,
    });
    return { status: response.statusCode, problem: await response.body.json() };
  } finally {
    await dispatcher.destroy();
  }
}
