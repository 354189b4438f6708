import {
  columnarStoreFields,
  listenAddress,
  proxyProtocolFields,
  serviceFields,
  wholeColumnarStore,
} from "@drawbridge/config";
import { z } from "zod";

const mib = 1024 * 1024;

const wholeNumber = (minimum: number, maximum: number) => z.coerce.number().int().min(minimum).max(maximum);

const limitFields = () => ({
  FABRIC_REPLICAS: wholeNumber(1, 1_000_000)
    .default(10_000)
    .meta({ description: "replicas of apps that one fabric may tell of within an hour" }),
  FABRIC_COUNTERS: wholeNumber(1, 1_000_000)
    .default(20_000)
    .meta({ description: "cumulative counters that one fabric may have; deltas need none" }),
  FABRIC_POINTS_PER_SECOND: wholeNumber(1, 10_000_000)
    .default(10_000)
    .meta({ description: "data points that one fabric may send per second, in the long run" }),
  FABRIC_REQUESTS_IN_FLIGHT: wholeNumber(1, 10_000)
    .default(8)
    .meta({ description: "requests with metrics of one fabric at the same time" }),
  IN_FLIGHT_BYTES: wholeNumber(8 * mib, 16_384 * mib)
    .default(256 * mib)
    .meta({ description: "memory that bodies may take at the same time, as received and unpacked" }),
});

/** Of the service. */
export const configSchema = z
  .object({
    ...serviceFields({ service: "monitoring-ingest", opsPort: 7640 }),
    FABRIC_LISTEN: listenAddress()
      .prefault("127.0.0.1:7440")
      .meta({ description: "HTTPS over mTLS, for monitoring collectors" }),
    ...proxyProtocolFields(),
    INTERNAL_LISTEN: listenAddress()
      .prefault("127.0.0.1:7540")
      .meta({ description: "gRPC over mTLS, for management-api" }),
    CHECK_IN_INTERVAL_MS: z.coerce
      .number()
      .int()
      .min(20)
      .max(300_000)
      .default(15_000)
      .meta({ description: "how often collectors are told to check in" }),
    ...columnarStoreFields(
      "folder for the columnar store and for files on their way into it; of one process at a time",
    ),
    FLUSH_INTERVAL_MS: wholeNumber(5, 1_000).default(500).meta({
      description: "how long metrics wait for others, to be made durable together; collectors wait with them",
    }),
    ...limitFields(),
  })
  .superRefine(wholeColumnarStore);

export type MonitoringIngestConfig = z.output<typeof configSchema>;
