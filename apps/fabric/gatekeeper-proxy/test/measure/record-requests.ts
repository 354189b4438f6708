// node test/measure/record-requests.ts [requests]: what telling of a request costs the gateway, user and system time of all its
// threads, from the end of the request to the acknowledgement; the server is a process of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import { parseTrustBundleJson, trustBundleToJson } from "@drawbridge/pki";
import { createTestCa } from "@drawbridge/testkit";
import type { ReportableRequest } from "@drawbridge/request-batch";
import { AnalyticsBoard } from "../../src/analytics/analytics-board.ts";
import type { ExporterStart, FromExporter } from "../../src/analytics/exporter-protocol.ts";
import { RequestRecorder } from "../../src/worker/analytics/request-recorder.ts";
import { until } from "../support/gateway-process.ts";
import { startIngest } from "../support/ingest-server.ts";

const api = { apiId: "1", name: "orders", version: "1", environment: "prod", app: "shop", geography: 0 } as const;
const instance = { api, addressDetail: "full", isUserAgentTold: true } as const;

const count = Number(process.argv[2] ?? 500_000);
if (process.argv[2] === "serve") await serve();
else await measure();

async function serve(): Promise<void> {
  const ca = await createTestCa();
  const ingest = await startIngest(await ca.issueService("analytics-ingest"));
  console.log(JSON.stringify({ url: ingest.url, roots: trustBundleToJson(ca.trustBundle) }));
}

async function measure(): Promise<void> {
  const server = spawn(process.execPath, [import.meta.filename, "serve"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(createInterface(server.stdout), "line")) as [string];
  const { url, roots } = JSON.parse(line) as { url: string; roots: string };
  const directory = mkdtempSync(join(tmpdir(), "drawbridge-measure-"));
  const workerData: ExporterStart = {
    directory,
    gatewayId: "gateway-0",
    spoolBytes: 1 << 28,
    recordedBefore: undefined,
    egressDirectory: join(directory, "egress"),
    leftDirectory: join(directory, "left"),
    takenDirectory: join(directory, "taken"),
    maxAgeMs: 86_400_000,
    log: { level: "error", format: "json" },
  };
  const exporter = new Worker(new URL("../../src/analytics/exporter-main.ts", import.meta.url), { workerData });
  const board = new AnalyticsBoard();
  let sent = 0;
  exporter.on("message", (message: FromExporter) => {
    if (message.type === "taken") board.addBytes(-message.bytes);
    if (message.type === "access_wanted") {
      exporter.postMessage({ type: "access", access: { token: "t", url, expiresAtMs: Date.now() + 3_600_000 } }, []);
    }
    if (message.type === "status") sent = message.status.sentRequests;
  });
  exporter.postMessage({ type: "trust", bundle: parseTrustBundleJson(roots) }, []);
  const recorder = new RequestRecorder({
    board,
    send: (message, transfer = []) => message.type === "requests" && exporter.postMessage(message, [...transfer]),
    nowMs: Date.now(),
  });
  const requests = Array.from({ length: 10_000 }, (_, index) => aRequest(index));
  record(recorder, requests.slice(0, 5_000)); // compiled, connected
  await until(() => sent >= 5_000);
  const before = process.cpuUsage();
  const ownBefore = process.threadCpuUsage();
  for (let done = 0; done < count; done += 1_000) {
    const from = done % requests.length;
    record(recorder, requests.slice(from, from + 1_000));
    await setImmediate();
  }
  const own = process.threadCpuUsage(ownBefore);
  await until(() => sent >= 5_000 + count);
  const { user, system } = process.cpuUsage(before);
  const each = (us: number): string => (us / count).toFixed(2);
  console.log(
    `${count} requests: ${each(user + system)} us CPU each, of which ${each(own.user + own.system)} in the thread that records`,
  );
  await exporter.terminate();
  server.kill();
  rmSync(directory, { recursive: true });
}

function record(recorder: RequestRecorder, requests: readonly ReportableRequest[]): void {
  for (const request of requests) recorder.add({ ...request, receivedAtMs: Date.now() });
}

function aRequest(index: number): ReportableRequest {
  return {
    receivedAtMs: 0,
    instance,
    application: `application ${index % 50}`,
    resourcePath: `/orders/{}/part${index % 20}`,
    verb: index % 3 === 0 ? "POST" : "GET",
    status: index % 17 === 0 ? 404 : 200,
    disposition: Disposition.DISPOSITION_PROCESSED,
    policy: undefined,
    latencyUs: 1_000 + ((index * 7_919) % 40_000),
    upstreamUs: 500 + ((index * 7_919) % 30_000),
    requestBytes: (index * 31) % 2_000,
    responseBytes: (index * 97) % 20_000,
    clientAddress: `10.${index % 4}.${index % 90}.${index % 250}`,
    userAgent: `Mozilla/5.0 (X11; Linux x86_64; rv:${index % 40}.0) Gecko/20100101 Firefox/${index % 40}.0`,
    replica: `shop-${index % 4}`,
  };
}
