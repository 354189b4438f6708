import { filePath, hostPort, listenAddress, telemetryFields } from "@drawbridge/config";
import { proxyAddress } from "@drawbridge/egress";
import { z } from "zod";

export const configSchema = z.object({
  ...telemetryFields(),
  OPS_LISTEN: listenAddress()
    .prefault("127.0.0.1:7691")
    .meta({ description: "address of /livez, /readyz and /metrics; plain HTTP, keep it private" }),
  STATE_DIR: filePath().default("/var/lib/drawbridge-agent").meta({
    description:
      "the agent's state folder: read, but for `collector/` and the collector's own files in `egress/`, which are written",
  }),
  INGEST_ADDRESS: hostPort().meta({ description: "host:port of monitoring-ingest, in the control plane" }),
  HTTPS_PROXY: proxyAddress()
    .optional()
    .meta({ description: "http://[user:password@]host:port that the connection goes out through (CONNECT)" }),
  MONITORING: z
    .enum(["on", "off"])
    .default("on")
    .meta({ description: "off: nothing is measured and nothing but the check-in is sent" }),
  APP_METRICS: z
    .enum(["on", "off"])
    .default("on")
    .meta({ description: "off: metrics that apps tell of themselves are not read, whatever their manifests say" }),
  SAMPLE_INTERVAL_MS: z.coerce
    .number()
    .int()
    .min(1_000)
    .max(300_000)
    .default(15_000)
    .meta({ description: "between two samples, milliseconds" }),
  QUEUE_MAX_BYTES: z.coerce
    .number()
    .int()
    .min(1_048_576)
    .default(67_108_864)
    .meta({ description: "what may wait on disk to be sent; the oldest samples go first" }),
  QUEUE_MAX_AGE_HOURS: z.coerce
    .number()
    .int()
    .min(1)
    .max(168)
    .default(24)
    .meta({ description: "samples that have waited for longer are not sent any more" }),
});

export type MonitoringCollectorConfig = z.output<typeof configSchema>;
