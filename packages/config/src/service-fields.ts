import { z } from "zod";
import { addressList } from "./address-list.ts";
import { filePath, hostPort, listenAddress, secretFile } from "./fields.ts";

/** Settings of logs and traces; every process has them. */
export const telemetryFields = () => ({
  LOG_LEVEL: z
    .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
    .default("info")
    .meta({ description: "least important records that are written" }),
  LOG_FORMAT: z
    .enum(["json", "pretty"])
    .default("json")
    .meta({ description: "`json`: one object per line; `pretty`: for eyes, in development" }),
  OTLP_ENDPOINT: z.url().optional().meta({ description: "base URL of an OTLP/HTTP collector that takes the traces" }),
  TRACE_FILE: filePath().optional().meta({ description: "file to append spans to, as JSON lines" }),
});

/** Settings that every control-plane service has. `opsPort` and `service` give the defaults. */
export const serviceFields = (defaults: { readonly service: string; readonly opsPort: number }) => ({
  ...telemetryFields(),
  OPS_LISTEN: listenAddress()
    .prefault(`127.0.0.1:${defaults.opsPort}`)
    .meta({ description: "address of /livez, /readyz and /metrics; plain HTTP, keep it private" }),
  REPLICA: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,63}$/, "must be 1 to 63 letters, digits, - or _")
    .default(`${defaults.service}-0`)
    .meta({ description: "name of this replica, unique among the replicas of the service" }),
  DATABASE_URL_FILE: secretFile().meta({ description: "file that holds the PostgreSQL URL of the service's own role" }),
  NATS_URL: z.string().min(1).default("nats://127.0.0.1:4222").meta({ description: "URL of the NATS server" }),
  NATS_CREDENTIALS_FILE: secretFile().optional().meta({ description: "file that holds `user:password` for NATS" }),
  IDENTITY_DIR: filePath().meta({ description: "folder with tls.crt, tls.key and trust-bundle.json; waited for" }),
  CERT_AUTHORITY_ADDRESS: hostPort().meta({ description: "host:port of cert-authority's internal gRPC" }),
  TRUST_DOMAIN: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9._-]{0,253}[a-z0-9])?$/, "must be a lower-case host name")
    .default("drawbridge.local")
    .meta({ description: "SPIFFE trust domain" }),
});

/** For a service whose clients may come through load balancers. */
export const proxyProtocolFields = () => ({
  PROXY_PROTOCOL_FROM: addressList().optional().meta({
    description:
      "networks of load balancers, `10.0.0.0/8,2001:db8::/32`: connections from there must begin with a PROXY protocol header (version 1 or 2), which tells the client's address; from elsewhere they must not",
  }),
});
