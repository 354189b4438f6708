import { z } from "zod";

const headerName = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be the name of a header");

export const schema = z.strictObject({
  maximumEntries: z.number().int().min(1).max(100_000).default(1000).describe("most responses that are kept"),
  maximumBytes: z
    .number()
    .int()
    .min(1024)
    .max(1_073_741_824)
    .default(67_108_864)
    .describe("most bytes that are kept, in each worker thread of the gateway"),
  maximumEntryBytes: z.number().int().min(0).max(16_777_216).default(1_048_576).describe("longest body that is kept"),
  defaultTtlSeconds: z
    .number()
    .int()
    .min(0)
    .max(86_400)
    .default(0)
    .describe("life of responses that say nothing about it; 0: they are not kept"),
  maximumTtlSeconds: z
    .number()
    .int()
    .min(1)
    .max(2_592_000)
    .default(86_400)
    .describe("longest life, whatever a response says"),
  key: z
    .strictObject({
      query: z
        .union([z.enum(["all", "none"]), z.array(z.string().min(1).max(128)).min(1).max(50)])
        .default("all")
        .describe('"all": the query as it is; "none"; or the names of the parameters that matter'),
      headers: z.array(headerName).max(10).default([]).describe("request headers that matter beside those in Vary"),
    })
    .prefault({})
    .describe("what responses are told apart by, beside host and path"),
  credentialedRequests: z
    .enum(["never", "shared", "per_client"])
    .default("never")
    .describe(
      "answers to requests with credentials: never kept; kept for all if they say so (public, s-maxage or must-revalidate); or " +
        "kept for each client and subject apart. The last two only if a policy has checked the credentials",
    ),
  credentialHeaders: z
    .array(headerName)
    .max(20)
    .default([])
    .describe("headers that carry credentials, beside Authorization, Cookie, client_id, client_secret and X-API-Key"),
  unsafeMethodsInvalidate: z
    .enum(["resource", "everything"])
    .default("resource")
    .describe("what a successful request of another method than GET, HEAD, OPTIONS and TRACE makes the cache forget"),
  honourRequestDirectives: z
    .boolean()
    .default(false)
    .describe("let clients pass the cache by with Cache-Control: no-cache or max-age, or Pragma: no-cache"),
});

export type CachingConfiguration = z.output<typeof schema>;
