import { z } from "zod";

const namePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const versionPattern = /^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$/;
const environmentNamePattern = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** Dots and hyphens too: platform properties such as "anypoint.platform.gatekeeper" have them. */
const propertyNamePattern = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;
const pathPattern = /^\/[^\s?#\\]*$/;

/** The text for a value of the wrong type; YAML turns 1.0 into a number, which is the usual mistake. */
function text(example: string) {
  return z.string({
    error: (issue) =>
      issue.input === undefined
        ? `is missing; add it, for example ${example}`
        : `must be text; put it in quotes, for example ${example}`,
  });
}

function integer(minimum: number, maximum: number) {
  const rule = `must be a whole number from ${minimum} to ${maximum}`;
  return z.int({ error: rule }).min(minimum, rule).max(maximum, rule);
}

function list<T extends z.ZodType>(item: T, maximum: number, example: string) {
  return z
    .array(item, {
      error: (issue) =>
        issue.input === undefined
          ? `is missing; add a list, for example ${example}`
          : `must be a list, for example ${example}`,
    })
    .max(maximum, `must have at most ${maximum} items`);
}

/** A map with known fields only. */
function map<T extends z.core.$ZodLooseShape>(shape: T, example: string) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.input === undefined
        ? `is missing; add it, for example ${example}`
        : `must be a map, for example ${example}`,
  });
}

const runtimeSchema = map(
  {
    command: list(text('"node"').max(4_096, "must have at most 4096 characters"), 256, '["node", "server.js"]')
      .min(1, 'must name a program, for example ["node", "server.js"]')
      .meta({ description: "Program and arguments, started in the root of the bundle without a shell." }),
    image: text('"registry.example.com/node:26"')
      .regex(/^[\w][\w./:@-]{0,254}$/, 'must be an image reference, for example "registry.example.com/node:26"')
      .optional()
      .meta({ description: "Container image that the kubernetes driver runs the command in." }),
    runtimeVersion: text('"4.9.0"')
      .regex(/^\d{1,4}\.\d{1,4}\.\d{1,4}$/, 'must be three numbers in quotes, for example "4.9.0"')
      .optional()
      .meta({ description: "Runtime line that decides the gatekeeper's default level." }),
  },
  'runtime: { command: ["node", "server.js"] }',
);

const portSchema = map(
  {
    name: text('"http"')
      .regex(namePattern, "must be lower-case letters, digits and hyphens, at most 63")
      .meta({ description: "Name of the port." }),
    env: text('"PORT"')
      .regex(environmentNamePattern, "must be the name of an environment variable, for example PORT")
      .meta({ description: "Environment variable that tells the app which port to listen on." }),
    protocol: z
      .enum(["http1", "h2c"], { error: "must be http1, or h2c for HTTP/2 without TLS, as gRPC servers speak" })
      .optional()
      .meta({ description: "What the app speaks there: http1 (the default) or h2c, HTTP/2 without TLS (gRPC)." }),
  },
  "{ name: http, env: PORT }",
);

const readinessSchema = map(
  {
    path: text('"/ready"')
      .max(1_024, "must have at most 1024 characters")
      .regex(pathPattern, 'must be a path that begins with "/", without query, for example "/ready"')
      .default("/")
      .meta({ description: "A GET of this path answers 200 to 399 once the replica can take requests." }),
    port: text('"http"').optional().meta({ description: "Name of the port to ask; the first one by default." }),
    timeoutSeconds: integer(1, 3_600)
      .default(60)
      .meta({ description: "How long a new replica may take to become ready." }),
  },
  "readiness: { path: /ready }",
);

const metricsSchema = map(
  {
    path: text('"/metrics"')
      .max(1_024, "must have at most 1024 characters")
      .regex(pathPattern, 'must be a path that begins with "/", without query, for example "/metrics"')
      .default("/metrics")
      .meta({ description: "A GET of this path answers in the text format of Prometheus, or in OpenMetrics." }),
    port: text('"http"').optional().meta({ description: "Name of the port to ask; the first one by default." }),
    names: list(
      text('"orders_placed_total"').regex(
        /^[a-zA-Z_][a-zA-Z0-9_]{0,99}$/,
        "must be the name of a metric: letters, digits and _, at most 100",
      ),
      20,
      "[orders_placed_total]",
    )
      .default([])
      .meta({ description: "Metrics that the control plane is told of besides those of requests and of the process." }),
  },
  "metrics: { path: /metrics }",
);

const resourcesSchema = map(
  {
    memoryMiB: integer(16, 1_048_576).default(512).meta({ description: "Memory of one replica in MiB." }),
    cpuMillis: integer(10, 256_000)
      .default(1_000)
      .meta({ description: "CPU of one replica in thousandths of a core." }),
  },
  "resources: { memoryMiB: 256 }",
);

const propertySchema = map(
  {
    type: z
      .enum(["string", "integer", "number", "boolean"], { error: "must be string, integer, number or boolean" })
      .default("string")
      .meta({ description: "Type of the value." }),
    required: z
      .boolean({ error: "must be true or false" })
      .default(false)
      .meta({ description: "A deployment without a value is refused." }),
    default: z
      .union([z.string(), z.number(), z.boolean()], { error: "must be text, a number, true or false" })
      .optional()
      .meta({ description: "Value where the deployment gives none." }),
    secret: z
      .boolean({ error: "must be true or false" })
      .default(false)
      .meta({ description: "The value must be given as a secure property." }),
    description: text('"what it is for"')
      .max(1_024, "must have at most 1024 characters")
      .optional()
      .meta({ description: "For the operator." }),
    pattern: text('"^[a-z]+$"')
      .max(512, "must have at most 512 characters")
      .optional()
      .meta({ description: "Regular expression that the whole value of a string must match." }),
  },
  "{ type: string }",
);

const configurationSchema = map(
  {
    properties: z
      .record(
        z
          .string()
          .regex(
            propertyNamePattern,
            "must begin with a letter or _ and have only letters, digits, _, . and -, at most 128",
          ),
        propertySchema,
        { error: "must be a map from property names to their rules" },
      )
      .default({})
      .meta({ description: "What can be configured. Each becomes an environment variable of that name." }),
  },
  "configuration: { properties: { GREETING: {} } }",
);

const apiResourceSchema = map(
  {
    method: z
      .enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "*"], {
        error: "must be an HTTP method in capitals, or *",
      })
      .default("*")
      .meta({ description: "HTTP method, * for all." }),
    path: text('"/orders/{id}"')
      .max(1_024, "must have at most 1024 characters")
      .regex(pathPattern, 'must be a URI template that begins with "/", for example "/orders/{id}"')
      .meta({ description: "URI template below the base path." }),
  },
  "{ path: /orders }",
);

const apiSchema = map(
  {
    name: text('"orders"')
      .min(1, "must not be empty")
      .max(128, "must have at most 128 characters")
      .meta({ description: "Name of the API instance in api-manager." }),
    version: text('"v1"')
      .regex(versionPattern, 'must be a version, for example "v1"')
      .meta({ description: "Version of the API." }),
    basePath: text('"/api"')
      .max(1_024, "must have at most 1024 characters")
      .regex(pathPattern, 'must be a path that begins with "/"')
      .default("/")
      .meta({ description: "Path of the app below which the API is." }),
    resources: list(apiResourceSchema, 1_000, '[{ path: "/orders" }]')
      .default([])
      .meta({ description: "Tracked resources; everything below the base path if the list is empty." }),
  },
  "{ name: orders, version: v1 }",
);

const bundleSchema = map(
  {
    dependencies: z
      .boolean({ error: "must be true or false" })
      .default(false)
      .meta({ description: "Collect the production dependencies of package.json into node_modules of the bundle." }),
  },
  "bundle: { dependencies: true }",
);

/** The shape of drawbridge.yaml. Rules between fields are in `manifest-rules.ts`. */
export const manifestSchema = z
  .strictObject(
    {
      apiVersion: z
        .literal("drawbridge/v1", { error: "must be drawbridge/v1" })
        .meta({ description: "Version of this format." }),
      name: text("orders")
        .regex(
          namePattern,
          "must be lower-case letters, digits and hyphens, at most 63, beginning and ending with a letter or digit",
        )
        .meta({ description: "Name of the app." }),
      version: text('"1.0.0"')
        .regex(versionPattern, 'must be a version in quotes, for example "1.0.0"')
        .meta({ description: "Version of the app." }),
      runtime: runtimeSchema.meta({ description: "How it is started." }),
      ports: list(portSchema, 16, "[{ name: http, env: PORT }]")
        .min(1, "must name at least one port, for example [{ name: http, env: PORT }]")
        .default([{ name: "http", env: "PORT" }])
        .meta({ description: "Ports that the app listens on; the first one serves HTTP and is published." }),
      readiness: readinessSchema.prefault({}).meta({ description: "When a replica can take requests." }),
      metrics: metricsSchema.optional().meta({ description: "Where the app tells metrics of its own, if it does." }),
      resources: resourcesSchema.prefault({}).meta({ description: "What one replica may use." }),
      configuration: configurationSchema.prefault({}).meta({ description: "What can be configured." }),
      drainSeconds: integer(0, 3_600)
        .default(25)
        .meta({ description: "Time between SIGTERM and SIGKILL in which a replica finishes its requests." }),
      apis: list(apiSchema, 100, '[{ name: orders, version: "v1" }]')
        .default([])
        .meta({ description: "APIs that the app serves (autodiscovery)." }),
      bundle: bundleSchema.prefault({}).meta({ description: "How the bundle is built." }),
    },
    { error: "must be a map that begins with apiVersion: drawbridge/v1" },
  )
  .meta({ title: "Drawbridge app manifest", description: "drawbridge.yaml at the root of an app bundle." });

/** A valid manifest, defaults filled in. */
export type Manifest = z.output<typeof manifestSchema>;
export type PropertySchema = z.output<typeof propertySchema>;

/** Name of the manifest at the root of a bundle. */
export const manifestFileName = "drawbridge.yaml";
