import { z } from "zod";
import { nullableInstant } from "./common.ts";

export const gateSchema = z
  .object({
    gatewayId: z.string().meta({ description: "Gateway that says so." }),
    apiName: z.string(),
    apiVersion: z.string(),
    basePath: z.string(),
    deployment: z
      .string()
      .meta({ description: "While a new deployment rolls out, the old one's gate stands beside it." }),
    state: z.string().meta({
      description:
        "Blocked: fetching, applying, policy_error, offline, unresolved. Serving: live, cached, stale, degraded. open: level disabled, no policies yet.",
    }),
    blocked: z.boolean().meta({ description: "Whether requests of this API are refused." }),
    since: nullableInstant("Since when it is in this state."),
    level: z.string().meta({ description: "strict, flexible or disabled." }),
    levelSource: z
      .string()
      .meta({ description: 'Where the level comes from: app, environment, fabric or "runtime version 4.1.0".' }),
    reason: z.string().meta({ description: "Stable code of what is missing or broken; empty while live." }),
    message: z.string().meta({ description: "What is missing or broken, and how to mend it." }),
    appliedRevision: z.int().meta({ description: "Revision of the API's policies that is enforced; 0 for none." }),
    desiredRevision: z.int().meta({ description: "Revision that should be; 0 while unknown." }),
    policies: z.int().meta({ description: "Policies that are enforced." }),
    contracts: z.int(),
    warnings: z.array(z.string()).meta({ description: "What is worth a look: that everybody passes." }),
  })
  .meta({ id: "Gate", description: "The gate of one API that one deployment of an app is bound to." });

export const appGateSchema = gateSchema
  .extend({
    app: z.string(),
    environment: z.string(),
    fabric: z.string(),
    statusCurrent: z
      .boolean()
      .meta({ description: "False when the fabric is not connected: the gate is the last known one." }),
  })
  .meta({ id: "AppGate", description: "A gate, with the app that it belongs to." });

/** "true" and "false" are accepted of old. */
const levels = ["strict", "flexible", "disabled", "true", "false"] as const;
export const gatekeeperLevel = z
  .enum(levels, { error: "must be strict, flexible or disabled" })
  .nullable()
  .meta({ description: "null takes it away." });

export const gatekeeperBody = z.strictObject({ level: gatekeeperLevel });

export const gatekeeperLevelSchema = z
  .object({
    kind: z.string().meta({ description: "environment or fabric." }),
    name: z.string().meta({ description: "Name of the environment or the fabric." }),
    level: z.string(),
  })
  .meta({ id: "GatekeeperLevel", description: "A gatekeeper level that is set for more than one app." });

export const gatekeeperSettingSchema = z
  .object({
    kind: z.string().meta({ description: "environment or fabric." }),
    name: z.string().meta({ description: "Name of the environment, id of the fabric." }),
    level: z.string().nullable(),
  })
  .meta({ id: "GatekeeperSetting", description: "A gatekeeper level for more than one app." });
