import { z } from "zod";

/**
 * What replicas tell each other over core NATS. All of it is a hint: whoever misses one finds out from the database
 * within the intervals of the reconcile and identity checks.
 */
const uuid = z.string().regex(/^[0-9a-f-]{36}$/);
const whole = z.string().regex(/^\d{1,19}$/);

const desired = z.object({ generation: whole });
const session = z.object({ order: whole, agentId: uuid, bootId: z.string().max(100).default("") });
const kick = z.object({
  fabricId: uuid,
  code: z.enum(["AGENT_REVOKED", "AGENT_LOCKED", "CERTIFICATE_EXPIRED", "FABRIC_DELETED"]),
  /** Only the session with this certificate; empty for any. */
  serialNumber: z.string().max(64),
});
const command = z.discriminatedUnion("command", [
  z.object({
    command: z.literal("open-logs"),
    correlationId: uuid,
    fabricId: uuid,
    appId: uuid,
    replicaId: z.string().max(200),
    tailLines: z.number().int().min(0).max(10_000),
    follow: z.boolean(),
    /** Where the chunks go, each as a request that is answered when there is room for the next. */
    inbox: z.string().max(200),
  }),
  z.object({ command: z.literal("cancel-logs"), correlationId: uuid }),
]);
const owner = z.object({ replica: z.string().max(64), epoch: whole });

export const controlMessages = { desired, session, kick, command, owner } as const;
export type TunnelCommand = z.output<typeof command>;
export type KickMessage = z.output<typeof kick>;

export const subjects = {
  desired: (fabricId: string) => `ctl.desired.${fabricId}`,
  session: (fabricId: string) => `ctl.session.${fabricId}`,
  kick: (agentId: string) => `ctl.kick.${agentId}`,
  command: (replica: string, agentId: string) => `tun.${replica}.${agentId}`,
  logs: (correlationId: string) => `ctl.logs.${correlationId}`,
} as const;

export function encodeMessage(message: object): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

/** @throws ZodError for anything that a replica of a known release would not send */
export function decodeMessage<S extends z.ZodType>(schema: S, data: Uint8Array): z.output<S> {
  return schema.parse(JSON.parse(Buffer.from(data).toString()));
}
