import { errorKinds } from "@drawbridge/errors";
import { z } from "zod";

export const nameText = (what: string) =>
  z
    .string()
    .regex(
      /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
      "must be lower-case letters, digits and hyphens, at most 63, beginning and ending with a letter or digit",
    )
    .meta({ description: what });

export const environmentName = nameText("Name of an environment.");
export const appName = nameText("Name of an app.");
/** A fabric may be named by its name or its UUID; both have this form. */
export const fabricRef = nameText("Name or id of a fabric.");

/** Text for people; PostgreSQL takes no NUL. */
export const plainText = (maximum: number) =>
  z
    .string()
    .max(maximum, `must have at most ${maximum} characters`)
    .regex(/^[^\p{Cc}]*$/u, "must not have control characters");

export const uuid = (what: string) => z.uuid("must be a UUID").toLowerCase().meta({ description: what });

export const bundleDigest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must be "sha256:" and 64 lower-case hex digits')
  .meta({ description: 'SHA-256 of the bundle: "sha256:<hex>".' });

export const instant = (what: string) => z.iso.datetime().meta({ description: what });
export const nullableInstant = (what: string) => z.iso.datetime().nullable().meta({ description: what });

/** An integer in a query string or header. */
export const wholeNumber = (minimum: number, maximum: number, what: string) =>
  z.coerce
    .number(`must be a whole number from ${minimum} to ${maximum}`)
    .int(`must be a whole number from ${minimum} to ${maximum}`)
    .min(minimum, `must be at least ${minimum}`)
    .max(maximum, `must be at most ${maximum}`)
    .meta({ description: what });

/** "true" or "false" in a query string. */
export const flag = (what: string) =>
  z
    .enum(["true", "false"], "must be true or false")
    .default("false")
    .transform((text) => text === "true")
    .meta({ description: what });

const maxPageSize = 500;
const defaultPageSize = 100;

export const pageSize = wholeNumber(1, maxPageSize, `Items per page, 1 to ${maxPageSize}.`).default(defaultPageSize);
export const pageToken = z
  .string()
  .max(1_024, "must have at most 1024 characters")
  .regex(/^[\x21-\x7e]*$/, "must be the nextPageToken of an earlier answer")
  .default("")
  .meta({ description: "nextPageToken of the page before; empty for the first." });

export const pageQuery = z.strictObject({ limit: pageSize, pageToken });

/** A list: `{items, nextPageToken}`; nextPageToken is empty on the last page. */
export function listOf<T extends z.ZodType>(item: T, what: string) {
  return z
    .object({
      items: z.array(item),
      nextPageToken: z.string().meta({ description: "Ask with it for the next page; empty on the last one." }),
    })
    .meta({ description: what });
}

export const problemSchema = z
  .object({
    type: z
      .string()
      .regex(/^urn:drawbridge:error:/)
      .meta({ description: "urn:drawbridge:error:<code>" }),
    title: z.string(),
    status: z.int(),
    code: z.string().meta({ description: "Stable, for programs; docs/errors.md lists them all." }),
    kind: z.enum(errorKinds).meta({ description: "What it means; several kinds share a status." }),
    detail: z.string().meta({ description: "For people: what, where, how to fix it." }),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .meta({ description: "What is wrong with which field." }),
    details: z.record(z.string(), z.string()).optional().meta({ description: "Further facts." }),
    retryAfterMs: z.number().optional().meta({ description: "How long to wait before the next try." }),
  })
  .meta({ id: "Problem", description: "RFC 9457 problem details." });

export const roleBinding = z
  .strictObject({
    role: z.enum(["viewer", "operator", "administrator"], "must be viewer, operator or administrator"),
    environment: z
      .union([environmentName, z.literal("*")], 'must be the name of an environment, or "*" for all')
      .meta({ description: 'Name of an environment, or "*" for every one.' }),
  })
  .meta({ id: "RoleBinding", description: "A role in an environment." });
