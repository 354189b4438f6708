import { z } from "zod";
import { environmentName, flag, instant, pageSize, pageToken, plainText, uuid } from "./common.ts";

export const apiName = plainText(128).min(1, "must not be empty").meta({ description: "Name of the API." });
export const apiVersion = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/, 'must be a version, for example "v1"')
  .meta({ description: "Version of the API." });

/** An API instance in a path. */
export const apiParams = z.strictObject({ environment: environmentName, api: apiName, version: apiVersion });
export const apiPath = "/v1/environments/{environment}/apis/{api}/versions/{version}";

const openapi = z
  .string()
  .max(1024 * 1024, "must have at most 1 MiB")
  .meta({ description: "OpenAPI 3 document, JSON or YAML; for previews and warnings." });
const description = plainText(500);
const autoApprove = z
  .boolean()
  .meta({ description: "Contracts are approved as soon as they are requested, unless their tier says otherwise." });

const observeRoutes = z.boolean().meta({
  description: "Gateways report which routes its apps answer, as templates of known words; off forgets them.",
});
const routeWords = z
  .array(z.string().regex(/^[a-z]{2,32}$/, "must be 2 to 32 lower-case letters"))
  .max(200, "must be at most 200")
  .meta({ description: "Words that may stand in templates of observed routes besides the common ones." });

const analytics = z.enum(["inherit", "off"], "must be inherit or off").meta({
  description: "What of its requests is told: what its environment allows, or nothing. It cannot be more.",
});

export const newApiBody = z.strictObject({
  name: apiName,
  version: apiVersion,
  description: description.default(""),
  openapi: openapi.default(""),
  autoApprove: autoApprove.default(false),
  analytics: analytics.default("inherit"),
});

export const changedApiBody = z.strictObject({
  description: description.optional(),
  openapi: openapi.optional(),
  autoApprove: autoApprove.optional(),
  observeRoutes: observeRoutes.optional(),
  routeWords: routeWords.optional(),
  analytics: analytics.optional(),
});

export const apiListQuery = z.strictObject({
  environment: environmentName.optional(),
  name: apiName.optional(),
  limit: pageSize,
  pageToken,
});

export const deleteApiQuery = z.strictObject({ force: flag("Also if apps are bound to it.") });

export const apiSchema = z
  .object({
    apiId: uuid("Id."),
    environment: z.string(),
    name: z.string(),
    version: z.string(),
    description: z.string(),
    autoApprove: z.boolean(),
    hasOpenapi: z.boolean(),
    observeRoutes,
    routeWords,
    analytics,
    analyticsTold: z
      .boolean()
      .meta({ description: "Gateways tell its requests: its environment's analytics are on too." }),
    revision: z.int().meta({ description: "Grows with every change of policies or tiers." }),
    policies: z.int().meta({ description: "Policies of its own." }),
    policiesInForce: z.int().meta({ description: "Enabled ones, automated ones of its environment too." }),
    warnings: z.array(z.string()).meta({ description: "What is worth a look: that it is open." }),
    contracts: z.int().meta({ description: "Contracts in force." }),
    apps: z
      .array(z.object({ fabricId: z.string(), appId: z.string(), appName: z.string(), basePath: z.string() }))
      .meta({ description: "Apps whose manifests name it." }),
    createdAt: instant("When it was made."),
    updatedAt: instant("Last change of the instance itself."),
    updatedBy: z.string(),
  })
  .meta({ id: "Api", description: "An API instance." });

export const openapiSchema = z.object({ openapi: z.string() }).meta({ description: "The document as it was given." });

const method = z
  .string()
  .regex(/^(\*|[A-Za-z][A-Za-z0-9|-]{0,200})$/, 'must be "*", or methods joined by "|"')
  .transform((text) => text.toUpperCase());

/** Of a policy. */
export const conditionSchema = z
  .strictObject({
    methods: method.default("*").meta({ description: '"GET|POST", or "*" for all.' }),
    uriTemplate: z.string().max(1_024).optional().meta({ description: 'URI template of level 1: "/orders/{id}".' }),
    regularExpression: z.string().max(1_024).optional().meta({ description: "Of RE2; matches the whole path." }),
  })
  .refine((one) => (one.uriTemplate === undefined) !== (one.regularExpression === undefined), {
    message: "must have either uriTemplate or regularExpression",
  })
  .meta({ id: "ResourceCondition", description: "A set of requests." });

const resource = z.strictObject({
  method: method.meta({ description: "Method, or * for all." }),
  path: z.string().max(1_024).meta({ description: "URI template below the base path." }),
});

export const previewBody = z.strictObject({
  conditions: z.array(conditionSchema).min(1, "must be at least one").max(50, "must be at most 50"),
  resources: z.array(resource).max(2_000, "must be at most 2000").default([]).meta({
    description:
      "Routes to try; none: those of the API's OpenAPI document, else of the manifests, else those observed.",
  }),
});

export const previewSchema = z
  .object({
    resources: z.array(
      z.object({
        method: z.string(),
        path: z.string(),
        conditions: z.array(
          z.object({ condition: z.int(), example: z.string(), counterexample: z.string() }).meta({
            description: "Index of a condition that matches, a path that does, and one that does not (empty: none).",
          }),
        ),
      }),
    ),
    idleConditions: z.array(z.int()).meta({ description: "Indices of conditions that match nothing." }),
    source: z.enum(["openapi", "manifest", "observed", "given", "none"]),
    warnings: z.array(z.string()),
  })
  .meta({ id: "MatchingPreview", description: "What conditions would match." });

export const routesSchema = z
  .object({
    observed: z.boolean().meta({ description: "Whether the API is observed now." }),
    routes: z.array(
      z.object({
        method: z.string(),
        path: z.string().meta({ description: "URI template below the base path, variables named by their place." }),
        firstSeen: instant("When it was first told."),
        lastSeen: instant("Day on which it was last told, 0:00 UTC."),
      }),
    ),
  })
  .meta({ id: "ObservedRoutes", description: "Routes that gateways observed, by path and method." });
