import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ledgerFileSchema } from "@drawbridge/egress";
import { createTestCa, type TestCa } from "@drawbridge/testkit";
import { createCollectorProcess, until } from "./support/collector-process.ts";
import { createFabricFolder } from "./support/fabric-folder.ts";
import { createScriptedIngest, type ScriptedIngest } from "./support/scripted-ingest.ts";

let ca: TestCa;
let ingest: ScriptedIngest;

beforeAll(async () => {
  ca = await createTestCa();
  ingest = await createScriptedIngest(ca);
  await ingest.start();
});
afterAll(() => ingest[Symbol.asyncDispose]());

/** An HTTP proxy that knows CONNECT and asks for a login. */
async function startProxy(login: string) {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", (head) => {
      const [line = ""] = head.toString("latin1").split("\r\n");
      asked.push(line);
      const isAllowed = head.includes(`Proxy-Authorization: Basic ${Buffer.from(login).toString("base64")}`);
      const [host = "", port = ""] = (line.split(" ")[1] ?? "").split(":");
      if (!isAllowed) return void socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
      const onward = connect(Number(port), host, () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(onward).pipe(socket);
      });
      onward.on("error", () => socket.destroy());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    asked,
    port: typeof address === "object" ? (address?.port ?? 0) : 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("goes out through the proxy that the fabric's owner names, to monitoring-ingest itself", async () => {
  await using proxy = await startProxy("user:secret");
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  fabric.startReplica(fabric.createApp("orders", "prod"), "r-0", "idle");
  await using collector = await createCollectorProcess({
    stateDir: fabric.stateDir,
    ingestAddress: ingest.address,
    env: {
      DRAWBRIDGE_SAMPLE_INTERVAL_MS: "1000",
      DRAWBRIDGE_HTTPS_PROXY: `http://user:secret@127.0.0.1:${proxy.port}`,
    },
  });
  const before = ingest.received.length;
  await collector.start();
  await until(async () => ingest.received.length > before);
  expect(new Set(proxy.asked)).toEqual(new Set([`CONNECT ${ingest.address} HTTP/1.1`]));
  expect(collector.output()).not.toContain("secret");
});

test("says what to do where the proxy does not let it out", async () => {
  await using proxy = await startProxy("user:secret");
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  await using collector = await createCollectorProcess({
    stateDir: fabric.stateDir,
    ingestAddress: ingest.address,
    env: { DRAWBRIDGE_HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` },
  });
  await collector.start();
  await until(async () => (await collector.readyz()).checks["check-in"]?.includes("allow CONNECT"));
  expect(await collector.metric("check_ins", 'result="unreachable"')).toBeGreaterThan(0);
});

test("writes what left into an egress ledger of its own: kinds, counts and classes of fields, no customer data (MGT 6)", async () => {
  await using fabric = await createFabricFolder(ca);
  await fabric.installCertificate();
  const appId = fabric.createApp("orders", "prod");
  fabric.startReplica(appId, "r-0", "idle");
  await using collector = await createCollectorProcess({
    stateDir: fabric.stateDir,
    ingestAddress: ingest.address,
    env: { DRAWBRIDGE_SAMPLE_INTERVAL_MS: "1000" },
  });
  const before = ingest.received.length;
  await collector.start();
  await until(async () => ingest.received.length > before + 1);
  expect(await collector.stop()).toBe(0);

  const folder = join(fabric.stateDir, "egress");
  const entries = readdirSync(folder).flatMap((name) => {
    const file = ledgerFileSchema.parse(JSON.parse(readFileSync(join(folder, name), "utf8")));
    expect(file.writer).toBe("collector");
    return file.entries;
  });
  const byKind = new Map(entries.map((entry) => [entry.messageType, entry]));
  expect([...byKind.keys()].toSorted()).toEqual(["monitoring.check-in", "monitoring.connection", "monitoring.metrics"]);
  expect(byKind.get("monitoring.metrics")?.messages).toBeGreaterThanOrEqual(2);
  expect(byKind.get("monitoring.metrics")?.shape).toMatchObject({
    "attributes.service.name": "METADATA",
    "metrics.container.cpu.usage": "METRIC",
  });
  expect(byKind.get("monitoring.connection")?.shape).toEqual({ client_certificate: "IDENTITY" });
  expect(entries.flatMap(({ shape }) => Object.values(shape))).not.toContain("PAYLOAD");
});
