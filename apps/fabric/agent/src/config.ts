import type { SharedPorts } from "@drawbridge/app-routes";
import { filePath, listenAddress, loadConfig, telemetryFields } from "@drawbridge/config";
import { proxyAddress } from "@drawbridge/egress";
import { DrawbridgeError } from "@drawbridge/errors";
import { insightFields } from "@drawbridge/policies/insight-fields";
import { z } from "zod";
import { appUserPattern } from "./cluster/process/app-users.ts";

/** "18000-18999" as its two ports. */
export function parsePortRange(text: string): { readonly from: number; readonly to: number } {
  const [from = 0, to = 0] = text.split("-").map(Number);
  return { from, to };
}

const portRange = () =>
  z
    .string()
    .regex(/^\d{1,5}-\d{1,5}$/, 'must be two ports, for example "18000-18999"')
    .refine((text) => {
      const { from, to } = parsePortRange(text);
      return from >= 1 && to <= 65_535 && from <= to;
    }, "must rise, within 1 to 65535");

export const configSchema = z.object({
  ...telemetryFields(),
  OPS_LISTEN: listenAddress()
    .prefault("127.0.0.1:7690")
    .meta({ description: "address of /livez, /readyz and /metrics; plain HTTP, keep it private" }),
  STATE_DIR: filePath()
    .default("/var/lib/drawbridge-agent")
    .meta({ description: "folder with identity, stored snapshot, bundles and egress ledger; the agent's alone" }),
  CLUSTER_DRIVER: z.enum(["process"]).default("process").meta({ description: "how apps are run" }),
  APP_PORT_RANGE: portRange()
    .default("18000-18999")
    .meta({ description: "ports from which the process driver takes one for an app that names none" }),
  APP_LISTEN_HOST: z
    .string()
    .min(1)
    .default("127.0.0.1")
    .meta({ description: "address on which the process driver serves apps; the default lets only this machine in" }),
  GATEWAY_HTTP_LISTEN: listenAddress().optional().meta({
    description: "address at which the gateway serves apps by host and path; without it no such port is open",
  }),
  GATEWAY_HTTPS_LISTEN: listenAddress()
    .optional()
    .meta({ description: "the same with TLS and HTTP/2; takes `DRAWBRIDGE_GATEWAY_CERTIFICATES_DIR`" }),
  GATEWAY_CERTIFICATES_DIR: filePath().optional().meta({
    description:
      "folder with `<name>/tls.crt` and `<name>/tls.key` for each certificate, as Kubernetes mounts secrets; read again every second",
  }),
  GATEWAY_DEFAULT_CERTIFICATE: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/, "must be the name of a folder in it")
    .optional()
    .meta({
      description:
        "certificate for clients that ask for no host, or for one that no certificate has; without it they are refused",
    }),
  APP_USER: z
    .string()
    .regex(appUserPattern, 'must be a user ("app", "1500"), a user and group ("app:web") or a range ("200000-200999")')
    .optional()
    .meta({
      description: "whom apps run as; a range gives each app a user of its own. Takes an agent that runs as root",
    }),
  CGROUP_PARENT: filePath().optional().meta({
    description: "cgroup v2 folder in which apps get limits of memory and CPU that the kernel keeps",
  }),
  GATEWAY_REPLICAS: z.coerce
    .number()
    .int()
    .min(1)
    .max(8)
    .default(1)
    .meta({ description: "gateway processes of the process driver, side by side on the same ports" }),
  MAX_CONCURRENT_ROLLOUTS: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .default(8)
    .meta({ description: "apps that are fetched and rolled out at once" }),
  ALLOW_LOGS: z
    .enum(["true", "false"])
    .default("false")
    .transform((text) => text === "true")
    .meta({ description: "whether operators of the control plane may read app logs, which are customer data" }),
  ALLOW_ROUTE_WORDS: z
    .enum(["true", "false"])
    .default("false")
    .transform((text) => text === "true")
    .meta({
      description:
        "whether words that operators of the control plane choose may stand in observed routes: with names for words they could learn whose are asked for",
    }),
  ALLOW_ANALYTICS: z
    .enum(["true", "false"])
    .default("true")
    .transform((text) => text === "true")
    .meta({
      description:
        "whether gateways may report requests (metadata, of APIs whose operators ask for it) to the control plane's analytics-ingest",
    }),
  ...insightFields(),
  ANALYTICS_SPOOL_BYTES: z.coerce.number().int().min(1_048_576).max(1_099_511_627_776).default(268_435_456).meta({
    description:
      "disk of each gateway for requests that wait to be reported; when it is full the oldest go, and are counted",
  }),
  HTTPS_PROXY: proxyAddress()
    .optional()
    .meta({ description: "http://[user:password@]host:port that everything goes out through (CONNECT)" }),
  ACTIVATION_TOKEN_FILE: filePath().optional().meta({
    description: "file that holds the activation token, for `activate` without --token-file; shredded after use",
  }),
});

export type AgentConfig = z.output<typeof configSchema>;

/** Settings of the `drawbridge` command line, which may be exported in the same shell. */
const settingsOfTheCommandLine = ["CONFIG_DIR", "ENVIRONMENT"] as const;

/** @throws DrawbridgeError `CONFIG_INVALID` (invalid_argument) */
export function loadAgentConfig(
  env: Readonly<Record<string, string | undefined>>,
  options: { readonly stateDir?: string } = {},
): AgentConfig {
  const { stateDir } = options;
  const config = loadConfig({
    schema: configSchema,
    env: stateDir === undefined ? env : { ...env, DRAWBRIDGE_STATE_DIR: stateDir },
    foreign: settingsOfTheCommandLine,
  });
  assertSharedPorts(config);
  return config;
}

/** @throws DrawbridgeError `CONFIG_INVALID` for settings that would silently do nothing */
function assertSharedPorts(config: AgentConfig): void {
  const {
    GATEWAY_HTTPS_LISTEN: https,
    GATEWAY_CERTIFICATES_DIR: folder,
    GATEWAY_DEFAULT_CERTIFICATE: byDefault,
  } = config;
  if ((https === undefined) === (folder === undefined) && (byDefault === undefined || https !== undefined)) return;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "CONFIG_INVALID",
    message:
      "DRAWBRIDGE_GATEWAY_HTTPS_LISTEN and DRAWBRIDGE_GATEWAY_CERTIFICATES_DIR belong together, and DRAWBRIDGE_GATEWAY_DEFAULT_CERTIFICATE names a folder of the latter: set both, or none of the three",
  });
}

/** The ports that apps share, as the operator of the fabric has opened them; `undefined`: none. */
export function sharedPortsOf(config: AgentConfig): SharedPorts | undefined {
  const { GATEWAY_HTTP_LISTEN: http, GATEWAY_HTTPS_LISTEN: https, GATEWAY_CERTIFICATES_DIR: folder } = config;
  if (http === undefined && https === undefined) return undefined;
  return {
    http: http && { address: http.host, port: http.port },
    https:
      https === undefined || folder === undefined
        ? undefined
        : {
            address: https.host,
            port: https.port,
            certificatesDirectory: folder,
            defaultCertificate: config.GATEWAY_DEFAULT_CERTIFICATE,
          },
  };
}
