import { z } from "zod";
import { headerNameField } from "../header-fields.ts";

const methodField = z.string().regex(/^[A-Z][A-Z-]{0,31}$/, "must be a method in upper case, for example GET");

/** Scheme, host, port if it is not the scheme's own: as browsers write it (RFC 6454 section 7). */
const originPattern =
  /^https?:\/\/(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::[1-9]\d{0,4})?$/;

const originField = z
  .string()
  .max(300)
  .refine((origin) => origin === "*" || originPattern.test(origin), {
    message: 'must be an origin such as "https://app.example.com", "https://*.example.com", or "*"',
  });

const groupField = z.strictObject({
  origins: z.array(originField).min(1).max(100).meta({
    description: 'origins that may call; "https://*.example.com" stands for every host below, "*" for everybody',
  }),
  methods: z
    .array(methodField)
    .min(1)
    .max(20)
    .default(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    .meta({ description: "methods that they may use" }),
  headers: z
    .array(headerNameField("name of a header"))
    .max(100)
    .default(["content-type", "authorization", "client_id", "client_secret"])
    .meta({ description: 'request headers that they may send besides the safelisted ones; "*" for any' }),
  exposedHeaders: z
    .array(headerNameField("name of a header"))
    .max(100)
    .default([])
    .meta({ description: "response headers that their scripts may read besides the safelisted ones" }),
});

export const corsSchema = z
  .strictObject({
    groups: z
      .array(groupField)
      .min(1)
      .max(20)
      .meta({ description: "origins with the same rights; the first group with an origin counts" }),
    credentials: z.boolean().default(false).meta({
      description:
        'allow cookies and HTTP authentication; not together with "*", which would give every site the user\'s rights',
    }),
    maxAgeSeconds: z
      .number()
      .int()
      .min(0)
      .max(86_400)
      .default(600)
      .meta({ description: "how long browsers may remember a preflight" }),
    otherOrigins: z.enum(["pass", "refuse"]).default("pass").meta({
      description:
        "requests of other origins go to the upstream without CORS headers, so that browsers hide the response, or are refused",
    }),
  })
  .superRefine(({ groups, credentials }, context) => {
    if (!credentials) return;
    for (const [index, group] of groups.entries()) {
      for (const field of ["origins", "headers", "exposedHeaders"] as const) {
        if (group[field].includes("*")) {
          context.addIssue({
            code: "custom",
            path: ["groups", index, field],
            message: '"*" is not allowed together with credentials; name what you trust',
          });
        }
      }
    }
  });

export type Cors = z.output<typeof corsSchema>;
