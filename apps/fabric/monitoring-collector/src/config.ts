import { filePath, hostPort, listenAddress, telemetryFields } from "@drawbridge/config";
import { z } from "zod";

export const configSchema = z.object({
  ...telemetryFields(),
  OPS_LISTEN: listenAddress()
    .prefault("127.0.0.1:7691")
    .meta({ description: "address of /livez, /readyz and /metrics; plain HTTP, keep it private" }),
  STATE_DIR: filePath().default("/var/lib/drawbridge-agent").meta({
    description: "the agent's state folder: `monitoring/` and `trust/bundle.json` are read from it, nothing is written",
  }),
  INGEST_ADDRESS: hostPort().meta({ description: "host:port of monitoring-ingest, in the control plane" }),
});

export type MonitoringCollectorConfig = z.output<typeof configSchema>;
