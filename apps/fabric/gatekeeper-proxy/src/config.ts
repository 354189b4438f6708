import { addressList, filePath, listenAddress, telemetryFields } from "@drawbridge/config";
import { z } from "zod";

const seconds = (range: { readonly min: number; readonly max: number; readonly default: number }) =>
  z.coerce.number().int().min(range.min).max(range.max).default(range.default);

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

export const configSchema = z.object({
  ...telemetryFields(),
  STATE_DIR: filePath().meta({
    description:
      "folder that gateway, agent and driver share: `routes.json` and `feed.sock` are theirs; `module-keys.pem` (who may sign modules of custom policies) is the operator's; `cache/`, `counters`, `trust-bundle.json`, `admin.json` and `admin-token` are the gateway's",
  }),
  GATEWAY_ID: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,63}$/, "must be 1 to 63 letters, digits, - or _")
    .default("gateway-0")
    .meta({ description: "name of this gateway, unique in the fabric" }),
  FABRIC_ID: z.uuid().optional().meta({
    description:
      "the fabric; a configuration for another one is refused. Without it that is left to the agent, which checks the same",
  }),
  ADMIN_LISTEN: listenAddress()
    .refine(({ host }) => isLoopback(host), "must be an address of loopback: the admin listener speaks plain HTTP")
    .prefault("127.0.0.1:0")
    .meta({
      description:
        "address of the admin listener, loopback only; with port 0 the system chooses and `admin.json` names it",
    }),
  WORKERS: z.coerce
    .number()
    .int()
    .min(1)
    .max(256)
    .optional()
    .meta({ description: "threads that take requests; one per core without it" }),
  CONNECT_DEADLINE_SECONDS: seconds({ min: 1, max: 60, default: 10 }).meta({
    description: "so long a start waits for the control plane before the connection counts as lost",
  }),
  BLOCK_ON_EDIT: z.enum(["by_level", "always", "never"]).default("by_level").meta({
    description:
      "whether a live edit that cannot be applied closes the API: at level strict only, at strict and flexible, or never",
  }),
  CACHE_MAX_AGE_HOURS: z.coerce.number().int().min(1).max(87_600).optional().meta({
    description: "a cache that the control plane confirmed longer ago is not used; without it any age will do",
  }),
  INITIAL_SYNC_TIMEOUT_SECONDS: seconds({ min: 1, max: 600, default: 60 }).meta({
    description: "after so long the gateway is ready even if gates have come to no decision",
  }),
  STOP_ACCEPTING_AFTER_SECONDS: seconds({ min: 0, max: 60, default: 5 }).meta({
    description: "from SIGTERM on: so long connections are still accepted, for load balancers to take notice",
  }),
  DRAIN_SECONDS: seconds({ min: 1, max: 3_600, default: 25 }).meta({
    description: "from then on: so long requests under way may take",
  }),
  COUNTER_ENTRIES: z.coerce
    .number()
    .int()
    .min(1_024)
    .max(16_777_216)
    .default(65_536)
    .meta({ description: "counters of rate limits that fit in memory, 16 bytes each" }),
  TRUSTED_PROXIES: addressList().optional().meta({
    description: "networks of proxies in front whose X-Forwarded-For is believed, `10.0.0.0/8,2001:db8::/32`",
  }),
});

export type GatekeeperProxyConfig = z.output<typeof configSchema>;
