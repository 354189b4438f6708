import { addressList, filePath, listenAddress, telemetryFields } from "@drawbridge/config";
import { insightFields } from "@drawbridge/policies/insight-fields";
import { z } from "zod";

const seconds = (range: { readonly min: number; readonly max: number; readonly default: number }) =>
  z.coerce.number().int().min(range.min).max(range.max).default(range.default);

const allowed = ({ byDefault }: { readonly byDefault: "true" | "false" }) =>
  z
    .enum(["true", "false"])
    .default(byDefault)
    .transform((text) => text === "true");

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

export const configSchema = z.object({
  ...telemetryFields(),
  STATE_DIR: filePath().meta({
    description:
      "folder that gateways, agent and driver share: `routes.json` and `feed.sock` are theirs; `module-keys.pem` (who may sign modules of custom policies) is the operator's",
  }),
  OWN_DIR: filePath().optional().meta({
    description:
      "this gateway's own folder: `cache/`, `analytics/`, `counters`, `traffic.json`, `trust-bundle.json`, `admin.json` and `admin-token`; without it the shared one, for the only gateway",
  }),
  PEERS_DIR: filePath().optional().meta({
    description:
      "folder in which the gateways of a fabric find each other, theirs alone (0700), to share what limits counted; without it this one counts alone",
  }),
  GATEWAY_ID: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "must be 1 to 63 of a-z, 0-9 and -")
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
  ANALYTICS_SPOOL_BYTES: z.coerce.number().int().min(1_048_576).max(1_099_511_627_776).default(268_435_456).meta({
    description:
      "disk for requests that wait to be told to the control plane; when it is full the oldest go, and are counted",
  }),
  ANALYTICS_MAX_AGE_HOURS: z.coerce
    .number()
    .int()
    .min(1)
    .max(8_760)
    .default(168)
    .meta({ description: "requests that could not be told for so long are given up, and counted" }),
  UPSTREAM_CLIENT: z.enum(["own", "undici"]).default("own").meta({
    description:
      "who speaks HTTP/1.1 with replicas: the gateway's own client, or undici if an app does not get on with it",
  }),
  TRUSTED_PROXIES: addressList().optional().meta({
    description: "networks of proxies in front whose X-Forwarded-For is believed, `10.0.0.0/8,2001:db8::/32`",
  }),
  ALLOW_ANALYTICS: allowed({ byDefault: "true" }).meta({
    description:
      "whether requests are told of where an environment wants it; the agent passes on what its owner has set",
  }),
  ALLOW_ROUTE_WORDS: allowed({ byDefault: "false" }).meta({
    description:
      "whether words that operators of the control plane choose may stand in what is told of paths; the agent passes on what its owner has set",
  }),
  ...insightFields(),
});

export type GatekeeperProxyConfig = z.output<typeof configSchema>;
