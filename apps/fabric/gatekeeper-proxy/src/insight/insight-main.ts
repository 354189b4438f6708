// The thread that masks exchanges and delivers them: started by the main thread with what `InsightStart` says.
import { parentPort, workerData } from "node:worker_threads";
import { cryptoRandom, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import { createLogger } from "@drawbridge/telemetry";
import { InsightExporter } from "./insight-exporter.ts";
import type { InsightStart, ToInsight } from "./insight-protocol.ts";

// open-insight.ts gives it.
const start = workerData as InsightStart;
const port = parentPort;
if (port === null) throw new Error("this is a thread of the gateway, not a program");

const logger = createLogger({ service: "gatekeeper-proxy", ...start.log }).child({ component: "insight" });
const exporter = new InsightExporter({
  start,
  clock: systemClock,
  random: cryptoRandom,
  ids: uuidV7Ids,
  logger,
  post: (message) => port.postMessage(message, []),
});
const running = exporter.run();
port.on("message", (message: ToInsight) => {
  if (message.type === "stop") void stop(message.withinMs);
  else exporter.receive(message);
});

async function stop(withinMs: number): Promise<void> {
  await exporter.stop(withinMs);
  await running;
  port?.postMessage({ type: "stopped" }, []);
  port?.close();
}
