import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { unpackBundle, writeBundleFile } from "../src/index.ts";
import { temporaryDirectory } from "./tar-builder.ts";

const examples = join(import.meta.dirname, "../../../examples");

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // a TCP server, so never a path
  server.close();
  return port;
}

/** The app as an agent would run it: from its unpacked bundle, with nothing but its own environment. */
async function runFromBundle(name: string, folder: string, configuration: Readonly<Record<string, string>> = {}) {
  const file = join(folder, `${name}.tgz`);
  const { digest, manifest } = await writeBundleFile({ directory: join(examples, name), file });
  const directory = join(folder, name);
  await unpackBundle({ source: createReadStream(file), directory, expectedDigest: digest });
  const port = await freePort();
  const [, ...args] = manifest.runtime.command;
  const app = spawn(process.execPath, args, {
    cwd: directory,
    env: { PORT: String(port), ...configuration },
    stdio: "ignore",
  });
  const exited = once(app, "exit");
  const url = `http://127.0.0.1:${port}`;
  for (;;) {
    const isReady = await fetch(url + manifest.readiness.path).then(
      (response) => response.ok,
      () => false,
    );
    if (isReady) break;
    if (app.exitCode !== null) throw new Error(`${name} ended with ${app.exitCode}`);
  }
  return {
    url,
    digest,
    [Symbol.asyncDispose]: async () => {
      app.kill("SIGTERM");
      await exited;
    },
    exited,
    app,
  };
}

test("examples/hello greets from its bundle, with its version and configuration, and ends when asked to", async () => {
  await using folder = await temporaryDirectory();
  await using hello = await runFromBundle("hello", folder.path, { GREETING: "Servus", API_KEY: "secret-value" });
  const body = await fetch(hello.url).then((response) => response.json());
  expect(body).toMatchObject({ version: "1.0.0", greeting: "Servus from version 1.0.0" });
  const who = await fetch(`${hello.url}/whoami`).then((response) => response.text());
  expect(who).toContain('"apiKey":"set"');
  expect(who).not.toContain("secret-value");
  const slow = fetch(`${hello.url}/slow?ms=300`).then((response) => response.json());
  await fetch(hello.url); // the slow request is in by now
  hello.app.kill("SIGTERM");
  expect(await slow).toMatchObject({ waitedMs: 300 });
  expect(await hello.exited).toEqual([0, null]);
});

test("examples/orders places, finds and cancels an order from its bundle", async () => {
  await using folder = await temporaryDirectory();
  await using orders = await runFromBundle("orders", folder.path);
  const items = [{ product: "tea", quantity: 2, unitPriceCents: 450 }];
  const placed = await fetch(`${orders.url}/api/v1/orders`, { method: "POST", body: JSON.stringify({ items }) });
  expect(placed.status).toBe(201);
  const order = (await placed.json()) as { id: string };
  expect(order).toMatchObject({ items, totalCents: 900, currency: "EUR" });
  expect((await fetch(`${orders.url}/api/v1/orders/${order.id}`, { method: "DELETE" })).status).toBe(204);
  expect((await fetch(`${orders.url}/api/v1/orders/${order.id}`)).status).toBe(404);
  expect((await fetch(`${orders.url}/api/v1/orders`, { method: "POST", body: "{" })).status).toBe(400);
});

test("examples/http-server, an unchanged package from npm, serves its folder from its bundle", async () => {
  await using folder = await temporaryDirectory();
  await using server = await runFromBundle("http-server", folder.path);
  const response = await fetch(server.url);
  expect(response.status).toBe(200);
  expect(await response.text()).toContain("Served by http-server");
});
