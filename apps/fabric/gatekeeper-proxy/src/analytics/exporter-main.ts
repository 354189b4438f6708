// The thread that keeps batches of requests on the disk and delivers them: started by the main thread with what `ExporterStart` says.
import { parentPort, workerData } from "node:worker_threads";
import { cryptoRandom, systemClock } from "@drawbridge/lifecycle";
import { createLogger } from "@drawbridge/telemetry";
import type { ExporterStart, ToExporter } from "./exporter-protocol.ts";
import { Exporter } from "./exporter.ts";

// open-analytics.ts gives it.
const start = workerData as ExporterStart;
const port = parentPort;
if (port === null) throw new Error("this is a thread of the gateway, not a program");

const logger = createLogger({ service: "gatekeeper-proxy", ...start.log }).child({ component: "analytics" });
const exporter = new Exporter({
  start,
  clock: systemClock,
  random: cryptoRandom,
  logger,
  post: (message) => port.postMessage(message, []),
});
const running = exporter.run();
port.on("message", (message: ToExporter) => {
  if (message.type === "stop") void stop(message.withinMs);
  else exporter.receive(message);
});

async function stop(withinMs: number): Promise<void> {
  await exporter.stop(withinMs);
  await running;
  await exporter.close();
  port?.postMessage({ type: "stopped" }, []);
  port?.close();
}
