import {
  columnarStoreFields,
  filePath,
  listenAddress,
  proxyProtocolFields,
  serviceFields,
  wholeColumnarStore,
} from "@drawbridge/config";
import { z } from "zod";

const mib = 1024 * 1024;

const limitFields = () => ({
  FABRIC_BYTES_PER_SECOND: z.coerce
    .number()
    .int()
    .min(64 * 1024)
    .max(4096 * mib)
    .default(64 * mib)
    .meta({ description: "bytes of batches, unpacked, that one fabric may send per second in the long run" }),
  FABRIC_REQUESTS_IN_FLIGHT: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(128)
    .meta({ description: "requests of one fabric at the same time" }),
  IN_FLIGHT_BYTES: z.coerce
    .number()
    .int()
    .min(8 * mib)
    .max(16_384 * mib)
    .default(256 * mib)
    .meta({
      description: "bytes of bodies, as sent, that are in work at the same time; one fabric may take a quarter",
    }),
  CONNECTIONS: z.coerce
    .number()
    .int()
    .min(16)
    .max(100_000)
    .default(10_000)
    .meta({ description: "connections of gateways, at most" }),
  CONNECTIONS_PER_ADDRESS: z.coerce
    .number()
    .int()
    .min(1)
    .max(100_000)
    .default(256)
    .meta({ description: "of these, from one address" }),
});

/** Of the service. */
export const configSchema = z
  .object(serviceFields({ service: "analytics-ingest", opsPort: 7650 }))
  .omit({ DATABASE_URL_FILE: true })
  .extend({
    FABRIC_LISTEN: listenAddress()
      .prefault("127.0.0.1:7450")
      .meta({ description: "HTTPS over one-way TLS, for gateways and whoever has a token" }),
    ...proxyProtocolFields(),
    INTERNAL_LISTEN: listenAddress()
      .prefault("127.0.0.1:7550")
      .meta({ description: "gRPC over mTLS, for management-api" }),
    ...columnarStoreFields("folder for the store and for files on their way into it; of one process at a time"),
    NATS_MONITORING_URL: z
      .url({ protocol: /^https?$/ })
      .optional()
      .meta({
        description:
          "base URL of the NATS server's monitoring (`http: 127.0.0.1:8222` in its configuration): tells whether it writes to its disk before it acknowledges, which nothing else does",
      }),
    RETENTION_DAYS: z.coerce
      .number()
      .int()
      .min(1)
      .max(3650)
      .default(90)
      .meta({ description: "days that single requests are kept" }),
    INSIGHT_RETENTION_DAYS: z.coerce
      .number()
      .int()
      .min(1)
      .max(30)
      .default(7)
      .meta({ description: "days that captured exchanges are kept" }),
    GEOIP_FILE: filePath().optional().meta({
      description: "MMDB file that tells the place of an address; without it nothing is said of places",
    }),
    ...limitFields(),
  })
  .superRefine(wholeColumnarStore);

export type AnalyticsIngestConfig = z.output<typeof configSchema>;
