import { httpStatusOf } from "@drawbridge/rpc";
import { z } from "zod";
import { type ErrorCode, errorCatalogue } from "./error-catalogue.ts";
import type { ResponseSpec, Route } from "./route.ts";
import { problemSchema } from "./schemas/common.ts";

type Json = Readonly<Record<string, unknown>>;

/** Codes that any route can answer with. */
const everywhere: readonly ErrorCode[] = [
  "INTERNAL",
  "RATE_LIMITED",
  "STORE_UNAVAILABLE",
  "STORE_FAILED",
  "STORE_CONFLICT",
  "STORE_TIMEOUT",
];
const withLogin: readonly ErrorCode[] = [
  "LOGIN_REQUIRED",
  "ACCESS_TOKEN_INVALID",
  "ACCESS_TOKEN_EXPIRED",
  "ACCESS_TOKEN_REVOKED",
];
const withPermission: readonly ErrorCode[] = ["PERMISSION_DENIED"];
const withInput: readonly ErrorCode[] = ["REQUEST_INVALID"];
const withBody: readonly ErrorCode[] = ["BODY_MALFORMED", "BODY_TOO_LARGE", "MEDIA_TYPE_UNSUPPORTED"];
const withPeer: readonly ErrorCode[] = ["PEER_FAILED", "DEADLINE_EXCEEDED", "CALL_CANCELLED"];

/** Every code that a route can answer with. */
export function errorsOf(route: Route): readonly ErrorCode[] {
  const isWrite = route.method !== "GET" && route.method !== "HEAD";
  const scope = route.permission.scope;
  const hasInput = route.params ?? route.query ?? route.headers ?? route.body ?? isWrite;
  const all = [
    ...route.errors,
    ...everywhere,
    ...(scope === "public" ? [] : withLogin),
    ...(scope === "public" || scope === "user" ? [] : withPermission),
    ...(hasInput ? withInput : []),
    ...(isWrite ? withBody : []),
    ...(route.errors.includes("PEER_UNAVAILABLE") ? withPeer : []),
  ];
  return [...new Set(all)];
}

/** HTTP status of a code. */
export function statusOf(code: ErrorCode): number {
  const { kind, status } = errorCatalogue[code];
  return status ?? httpStatusOf(kind);
}

/** The OpenAPI 3.1 document of the routes, from the schemas by which they are parsed. */
export function buildOpenApi(routes: readonly Route[], version: string): Json {
  const schemas: Record<string, unknown> = {};
  const toSchema = (schema: z.ZodType, io: "input" | "output"): Json => hoist(schema, io, schemas);
  toSchema(problemSchema, "output");
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route, toSchema);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Drawbridge management API",
      version,
      description:
        "What operators do: fabrics, apps, users. Errors are problem+json (RFC 9457); programs branch on `code`. Writes take an Idempotency-Key: the same key again is the same request, not a second one. Every answer has the header Drawbridge-Trust-Bundle-Sequence: a client that keeps the trust bundle asks for it again when the number has grown, and so outlives a rotation of the root.",
    },
    servers: [{ url: "/" }],
    paths,
    components: {
      schemas,
      securitySchemes: {
        accessToken: {
          type: "http",
          scheme: "bearer",
          description: "dbt1.<id>.<secret>, from POST /v1/sessions or POST /v1/api-tokens",
        },
      },
    },
  };
}

type ToSchema = (schema: z.ZodType, io: "input" | "output") => Json;

function operationOf(route: Route, toSchema: ToSchema): Json {
  const isWrite = route.method !== "GET" && route.method !== "HEAD";
  const parameters = [
    ...parametersIn("path", route.params, toSchema),
    ...parametersIn("query", route.query, toSchema),
    ...parametersIn("header", route.headers, toSchema),
    ...(isWrite ? [idempotencyKey] : []),
  ];
  const isPublic = route.permission.scope === "public";
  return {
    operationId: route.action,
    tags: [route.action.split(".")[0]],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    "x-permission": route.permission,
    security: isPublic ? [] : [{ accessToken: [] }],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...requestBodyOf(route, toSchema),
    responses: { ...successesOf(route, toSchema), ...failuresOf(route) },
  };
}

const idempotencyKey = {
  name: "Idempotency-Key",
  in: "header",
  required: false,
  description: "A UUID, or any text of 1 to 200 characters, that makes the request safe to repeat.",
  schema: { type: "string", minLength: 1, maxLength: 200 },
};

function parametersIn(
  place: "path" | "query" | "header",
  schema: z.ZodObject | undefined,
  toSchema: ToSchema,
): readonly Json[] {
  if (schema === undefined) return [];
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    const type: z.ZodType = field as z.ZodType; // a shape holds schemas only; its type says $ZodType
    if (name === "content-length") return []; // OpenAPI 3.1 4.8.12: such headers are not parameters
    const isRequired = place === "path" || !type.safeParse(undefined).success;
    const { description } = z.globalRegistry.get(type) ?? {};
    return [
      {
        name,
        in: place,
        required: isRequired,
        ...(description ? { description } : {}),
        schema: toSchema(type, "input"),
      },
    ];
  });
}

function requestBodyOf(route: Route, toSchema: ToSchema): Json {
  if (route.upload) {
    return { requestBody: { required: true, content: { "application/octet-stream": { schema: {} } } } };
  }
  if (route.body === undefined) return {};
  const isRequired = !route.body.safeParse({}).success;
  return {
    requestBody: { required: isRequired, content: { "application/json": { schema: toSchema(route.body, "input") } } },
  };
}

function successesOf(route: Route, toSchema: ToSchema): Json {
  return Object.fromEntries(
    Object.entries(route.responses).map(([status, response]) => [status, responseOf(response, toSchema)]),
  );
}

function responseOf(response: ResponseSpec, toSchema: ToSchema): Json {
  const headers = Object.entries(response.headers ?? {}).map(([name, description]) => [
    name,
    { description, schema: { type: "string" } },
  ]);
  const content = response.file
    ? Object.fromEntries(response.file.map((mediaType) => [mediaType, {}]))
    : response.body && {
        [response.lines ? "application/x-ndjson" : "application/json"]: { schema: toSchema(response.body, "output") },
      };
  return {
    description: response.description,
    ...(headers.length > 0 ? { headers: Object.fromEntries(headers) } : {}),
    ...(content ? { content } : {}),
  };
}

/** One entry per status, which names every code that it can carry. */
function failuresOf(route: Route): Json {
  const byStatus = Map.groupBy(errorsOf(route), statusOf);
  const declared = new Set(Object.keys(route.responses).map(Number));
  return Object.fromEntries(
    [...byStatus]
      .filter(([status]) => !declared.has(status))
      .toSorted(([a], [b]) => a - b)
      .map(([status, codes]) => [
        String(status),
        {
          description: codes.map((code) => `\`${code}\`: ${errorCatalogue[code].meaning}.`).join("\n"),
          "x-error-codes": codes,
          content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      ]),
  );
}

/**
 * The JSON Schema of a zod schema, with its named parts among the components of the document. Answers may get further
 * fields, so that clients must not refuse them.
 */
function hoist(schema: z.ZodType, io: "input" | "output", components: Record<string, unknown>): Json {
  const {
    $schema: _,
    $defs,
    ...root
  } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    override: ({ jsonSchema }) => {
      if (io === "output" && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  for (const [id, definition] of Object.entries($defs ?? {})) components[id] = withComponentRefs(definition);
  return withComponentRefs(root) as Json; // an object in, an object out
}

function withComponentRefs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withComponentRefs);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) =>
      key === "$ref" && typeof part === "string"
        ? [key, part.replace(/^#\/\$defs\//, "#/components/schemas/")]
        : [key, withComponentRefs(part)],
    ),
  );
}
