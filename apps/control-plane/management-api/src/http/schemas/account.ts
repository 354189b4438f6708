import { z } from "zod";
import { instant, nullableInstant, plainText, roleBinding, uuid } from "./common.ts";

export const username = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,62}$/,
    "must be lower-case letters, digits, dot, underscore and hyphen, at most 63, beginning with a letter or digit",
  )
  .meta({ description: "Name of a user." });

/** Length is what counts: NIST SP 800-63B 3.1.1.2 asks for 15 where a password is all there is; 12 is the least we take. */
const newPassword = z
  .string()
  .min(12, "must have at least 12 characters")
  .max(256, "must have at most 256 characters")
  .meta({ description: "12 to 256 characters." });

export const loginBody = z.strictObject({
  username: plainText(256).min(1, "must not be empty"),
  password: z.string().min(1, "must not be empty").max(256, "must have at most 256 characters"),
});

export const sessionSchema = z
  .object({
    token: z.string().meta({ description: "Access token, shown once: `Authorization: Bearer <token>`." }),
    expiresAt: instant("Valid up to but not including this instant."),
    username,
  })
  .meta({ id: "Session", description: "A new login." });

export const whoamiSchema = z
  .object({
    username,
    bindings: z.array(roleBinding),
    token: z.object({
      id: uuid("Id of the token in use."),
      kind: z.enum(["session", "api"]),
      expiresAt: instant("End of the token's life."),
    }),
  })
  .meta({ id: "Whoami", description: "The caller." });

const bindings = z
  .array(roleBinding)
  .max(500, "must have at most 500 bindings")
  .refine(
    (list) => new Set(list.map((binding) => binding.environment)).size === list.length,
    "must name each environment once",
  );

export const newUserBody = z.strictObject({ username, password: newPassword, bindings: bindings.default([]) });
export const rolesBody = z.strictObject({ bindings });
export const passwordBody = z.strictObject({
  currentPassword: z
    .string()
    .max(256, "must have at most 256 characters")
    .optional()
    .meta({ description: "Required for one's own password." }),
  newPassword,
});

export const userSchema = z
  .object({
    username,
    bindings: z.array(roleBinding),
    createdAt: instant("When the user was made."),
    createdBy: z.string(),
  })
  .meta({ id: "User", description: "A user." });

export const newApiTokenBody = z.strictObject({
  description: plainText(200).default("").meta({ description: "What it is for." }),
  ttlDays: z
    .int("must be a whole number")
    .min(1, "must be at least 1")
    .max(365, "must be at most 365")
    .default(90)
    .meta({ description: "Life in days, 1 to 365." }),
});

export const apiTokenSchema = z
  .object({
    tokenId: uuid("Id; safe to show and log."),
    description: z.string(),
    username,
    createdAt: instant("When it was made."),
    expiresAt: instant("Valid up to but not including this instant."),
    lastUsedAt: nullableInstant("Last use, to the minute; null if it was never used."),
    revokedAt: nullableInstant("When it was revoked; null if it was not."),
  })
  .meta({ id: "ApiToken", description: "An API token without its secret." });

export const newApiTokenSchema = z
  .object({ token: z.string().meta({ description: "The token, shown once." }), ...apiTokenSchema.shape })
  .meta({ id: "NewApiToken", description: "A new API token." });
