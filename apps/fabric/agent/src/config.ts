import { filePath, listenAddress, loadConfig, telemetryFields } from "@drawbridge/config";
import { z } from "zod";
import { appUserPattern } from "./cluster/process/app-users.ts";
import { parseProxy } from "./net/parse-proxy.ts";

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
  HTTPS_PROXY: z
    .string()
    .transform((text, context) => {
      try {
        return parseProxy(text);
      } catch (error) {
        context.addIssue({ code: "custom", message: error instanceof Error ? error.message : "is not a proxy" });
        return z.NEVER;
      }
    })
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
  return loadConfig({
    schema: configSchema,
    env: stateDir === undefined ? env : { ...env, DRAWBRIDGE_STATE_DIR: stateDir },
    foreign: settingsOfTheCommandLine,
  });
}
