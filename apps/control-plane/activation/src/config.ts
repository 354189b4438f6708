import { hostPort, listenAddress, proxyProtocolFields, serviceFields, secretFile } from "@drawbridge/config";
import { z } from "zod";

/** One or more host:port, with commas between them. */
const endpointList = () =>
  z
    .string()
    .transform((text) => text.split(",").map((part) => part.trim()))
    .pipe(z.array(hostPort()).min(1).max(8));

const joinStateKeyBytes = 32;

/** One key a line, the current one first. */
const joinStateKeyFile = () =>
  secretFile().transform((secret, context) => {
    const keys = secret
      .reveal()
      .split(/\r?\n/)
      .map((line) => Buffer.from(line.trim(), "base64url"));
    if (keys.every((key) => key.length === joinStateKeyBytes)) return new JoinStateKeys(keys);
    context.addIssue({ code: "custom", message: "every line must hold 32 bytes, base64url" });
    return z.NEVER;
  });

/** Keys that do not print. */
export class JoinStateKeys {
  readonly #keys: readonly Buffer[];
  constructor(keys: readonly Buffer[]) {
    this.#keys = keys;
  }
  reveal(): readonly Buffer[] {
    return this.#keys;
  }
}

/** Of the service. */
export const configSchema = z.object({
  ...serviceFields({ service: "activation", opsPort: 7610 }),
  FABRIC_LISTEN: listenAddress()
    .prefault("127.0.0.1:7410")
    .meta({ description: "gRPC over one-way TLS, for agents that redeem a token" }),
  ...proxyProtocolFields(),
  INTERNAL_LISTEN: listenAddress()
    .prefault("127.0.0.1:7510")
    .meta({ description: "gRPC over mTLS, for management-api" }),
  RUNTIME_MANAGER_ADDRESS: hostPort().default("127.0.0.1:7520").meta({
    description:
      "host:port of runtime-manager's internal gRPC, asked whether a fabric was deleted before the event is believed",
  }),
  PUBLIC_ACTIVATION_ENDPOINTS: endpointList()
    .prefault("127.0.0.1:7410")
    .meta({ description: "host:port list under which agents reach this service; written into every token" }),
  PUBLIC_TUNNEL_ENDPOINTS: endpointList()
    .prefault("127.0.0.1:7420")
    .meta({ description: "host:port list under which agents reach runtime-manager" }),
  PUBLIC_CONFIG_RESOLVER_URL: z
    .url({ protocol: /^https$/ })
    .default("https://127.0.0.1:7430")
    .meta({ description: "base URL under which agents reach config-resolver" }),
  PUBLIC_MONITORING_URL: z
    .union([z.literal(""), z.url({ protocol: /^https$/ })])
    .default("")
    .meta({ description: "base URL under which collectors reach monitoring-ingest; empty if there is none" }),
  JOIN_STATE_KEY_FILE: joinStateKeyFile().meta({
    description:
      "file that holds 32 random bytes, base64url: join states and recovery challenges are made with them. More lines are previous keys, which still read what was made with them",
  }),
  ACTIVATIONS_PER_SECOND_PER_ADDRESS: z.coerce
    .number()
    .min(0.01)
    .max(10_000)
    .default(1)
    .meta({ description: "redemptions a second from one address, on average; the same for each call of a recovery" }),
  ACTIVATION_BURST_PER_ADDRESS: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(5)
    .meta({ description: "redemptions at once from one address; the same for each call of a recovery" }),
  ACTIVATIONS_PER_SECOND: z.coerce
    .number()
    .min(1)
    .max(10_000)
    .default(20)
    .meta({ description: "redemptions a second altogether, on this replica; the same for each call of a recovery" }),
});

export type ActivationConfig = z.output<typeof configSchema>;
