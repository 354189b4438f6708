import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import type { TrustBundle } from "@drawbridge/pki";
import { BatchBuilder } from "@drawbridge/request-batch";
import type { ExporterStart, ExporterStatus, FromExporter, ToExporter } from "../../src/analytics/exporter-protocol.ts";

export interface ExporterThread extends AsyncDisposable {
  /** Requests with texts that cannot be compressed, 200 bytes each. */
  record(rows: number): void;
  /** How many were recorded. */
  readonly recorded: number;
  readonly status: ExporterStatus | undefined;
  readonly heard: readonly FromExporter[];
  /** Tokens that were refused, in the order of the questions. */
  readonly asked: readonly string[];
  stop(withinMs: number): Promise<void>;
  /** Nothing in order. */
  kill(): Promise<void>;
}

const api = { apiId: "1", name: "orders", version: "1", environment: "prod", app: "shop", geography: 0 } as const;
const instance = { api, addressDetail: "full", isUserAgentTold: true } as const;

/** The exporter as it runs in production, with the test in the main thread's place. */
export function startExporter(options: {
  readonly directory: string;
  readonly trustBundle: TrustBundle;
  readonly url: () => string;
  readonly spoolBytes?: number;
  readonly gatewayId?: string;
  /** Where spools of others are left. */
  readonly leftDirectory?: string;
}): ExporterThread {
  const workerData: ExporterStart = {
    directory: options.directory,
    gatewayId: options.gatewayId ?? "gateway-0",
    spoolBytes: options.spoolBytes ?? 64 * 1024 * 1024,
    maxAgeMs: 86_400_000,
    recordedBefore: undefined,
    egressDirectory: `${options.directory}-egress`,
    leftDirectory: options.leftDirectory ?? `${options.directory}-left`,
    takenDirectory: `${options.directory}-taken`,
    log: { level: "fatal", format: "json" },
  };
  const worker = new Worker(new URL("../../src/analytics/exporter-main.ts", import.meta.url), { workerData });
  const post = (message: ToExporter, transfer: ArrayBuffer[] = []): void => worker.postMessage(message, transfer);
  const heard: FromExporter[] = [];
  const asked: string[] = [];
  let recorded = 0;
  let status: ExporterStatus | undefined;
  worker.on("message", (message: FromExporter) => {
    heard.push(message);
    if (message.type === "status") ({ status } = message);
    if (message.type !== "access_wanted") return;
    asked.push(message.refusedToken);
    const token = `token-${asked.length}`;
    post({ type: "access", access: { token, url: options.url(), expiresAtMs: Date.now() + 3_600_000 } });
  });
  post({ type: "trust", bundle: options.trustBundle });
  return {
    record: (rows) => {
      const taken = aBody(rows);
      recorded += rows;
      post({ type: "requests", ...taken }, [taken.body]);
    },
    get recorded() {
      return recorded;
    },
    get status() {
      return status;
    },
    heard,
    asked,
    stop: async (withinMs) => {
      const ended = once(worker, "exit");
      post({ type: "stop", withinMs });
      await ended;
    },
    kill: async () => void (await worker.terminate()),
    [Symbol.asyncDispose]: async () => void (await worker.terminate()),
  };
}

export function aBody(rows: number): { body: ArrayBuffer; rows: number; fromMs: number; toMs: number } {
  const builder = new BatchBuilder({ capacity: rows, addressKey: new Uint8Array(32) });
  for (let row = 0; row < rows; row += 1) {
    builder.add({
      receivedAtMs: Date.now(),
      instance,
      application: "",
      resourcePath: "/orders",
      verb: "GET",
      status: 200,
      disposition: Disposition.DISPOSITION_PROCESSED,
      policy: undefined,
      latencyUs: row,
      upstreamUs: 0,
      requestBytes: 0,
      responseBytes: 0,
      clientAddress: "127.0.0.1",
      userAgent: randomBytes(150).toString("base64"),
      replica: "",
    });
  }
  const taken = builder.take();
  if (taken === undefined) throw new Error("nothing was recorded");
  return { ...taken, body: Uint8Array.from(taken.body).buffer };
}
