import { join } from "node:path";
import type { ServiceName } from "@drawbridge/bus";
import type { StackLayout } from "./layout.ts";
import type { StackPorts } from "./ports.ts";

export interface ServiceContext {
  readonly layout: StackLayout;
  readonly ports: StackPorts;
  readonly nats: { readonly url: string; readonly credentialsFileOf: (service: ServiceName) => string };
  readonly logFormat: "json" | "pretty";
}

/** One process of ours: where its code is and the environment that it runs with. */
export interface ServiceDefinition {
  readonly name: string;
  /** Below the repository's root. */
  readonly directory: string;
  /** Arguments after src/main.ts. */
  readonly args: readonly string[];
  readonly opsPort: (ports: StackPorts) => number;
  readonly side: "control plane" | "fabric";
  /** Has a schema, src/migrate.ts and a database role in PostgreSQL. */
  readonly hasDatabase: boolean;
  readonly environment: (context: ServiceContext) => Readonly<Record<string, string>>;
}

const loopback = "127.0.0.1";
const at = (port: number) => `${loopback}:${port}`;
/** For glibc; the README of runtime-manager says why. */
const allocatorOfTunnels = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: "16384",
  MALLOC_TRIM_THRESHOLD_: "131072",
  MALLOC_TOP_PAD_: "0",
};

/** What every process gets. */
function common(name: string, opsPort: number, { layout, logFormat }: ServiceContext): Record<string, string> {
  return {
    DRAWBRIDGE_LOG_FORMAT: logFormat,
    DRAWBRIDGE_OPS_LISTEN: at(opsPort),
    DRAWBRIDGE_TRACE_FILE: join(layout.traces, `${name}.jsonl`),
  };
}

/** What every control-plane service gets. */
function controlPlane(name: ServiceName, opsPort: number, context: ServiceContext): Record<string, string> {
  const { layout, nats, ports } = context;
  return {
    DRAWBRIDGE_NATS_URL: nats.url,
    DRAWBRIDGE_NATS_CREDENTIALS_FILE: nats.credentialsFileOf(name),
    ...common(name, opsPort, context),
    DRAWBRIDGE_IDENTITY_DIR: layout.identity(name),
    DRAWBRIDGE_CERT_AUTHORITY_ADDRESS: at(ports.internal.certAuthority),
  };
}

/** What those get that keep something in PostgreSQL. */
function withDatabase(name: ServiceName, opsPort: number, context: ServiceContext): Record<string, string> {
  return {
    ...controlPlane(name, opsPort, context),
    DRAWBRIDGE_DATABASE_URL_FILE: context.layout.secret(`${name}.database-url`),
  };
}

export const services: readonly ServiceDefinition[] = [
  {
    name: "cert-authority",
    directory: "apps/control-plane/cert-authority",
    args: [],
    side: "control plane",
    hasDatabase: true,
    opsPort: (ports) => ports.ops.certAuthority,
    environment: (context) => ({
      ...withDatabase("cert-authority", context.ports.ops.certAuthority, context),
      DRAWBRIDGE_INTERNAL_LISTEN: at(context.ports.internal.certAuthority),
      DRAWBRIDGE_FABRIC_LISTEN: at(context.ports.certAuthority),
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: at(context.ports.internal.runtimeManager),
      DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: context.layout.secret("cert-authority.kek"),
    }),
  },
  {
    name: "activation",
    directory: "apps/control-plane/activation",
    args: [],
    side: "control plane",
    hasDatabase: true,
    opsPort: (ports) => ports.ops.activation,
    environment: (context) => ({
      ...withDatabase("activation", context.ports.ops.activation, context),
      DRAWBRIDGE_INTERNAL_LISTEN: at(context.ports.internal.activation),
      DRAWBRIDGE_FABRIC_LISTEN: at(context.ports.activation),
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: at(context.ports.internal.runtimeManager),
      DRAWBRIDGE_PUBLIC_ACTIVATION_ENDPOINTS: at(context.ports.activation),
      DRAWBRIDGE_PUBLIC_TUNNEL_ENDPOINTS: at(context.ports.tunnel),
      DRAWBRIDGE_PUBLIC_CONFIG_RESOLVER_URL: `https://${at(context.ports.configResolver)}`,
      DRAWBRIDGE_PUBLIC_MONITORING_URL: `https://${at(context.ports.monitoringIngest)}`,
      DRAWBRIDGE_JOIN_STATE_KEY_FILE: context.layout.secret("activation.join-state-key"),
    }),
  },
  {
    name: "runtime-manager",
    directory: "apps/control-plane/runtime-manager",
    args: [],
    side: "control plane",
    hasDatabase: true,
    opsPort: (ports) => ports.ops.runtimeManager,
    environment: (context) => ({
      ...withDatabase("runtime-manager", context.ports.ops.runtimeManager, context),
      ...allocatorOfTunnels,
      DRAWBRIDGE_INTERNAL_LISTEN: at(context.ports.internal.runtimeManager),
      DRAWBRIDGE_FABRIC_LISTEN: at(context.ports.tunnel),
      DRAWBRIDGE_API_MANAGER_ADDRESS: at(context.ports.internal.apiManager),
      DRAWBRIDGE_PUBLIC_ANALYTICS_URL: `https://${at(context.ports.analyticsIngest)}`,
    }),
  },
  {
    name: "config-resolver",
    directory: "apps/control-plane/config-resolver",
    args: [],
    side: "control plane",
    hasDatabase: true,
    opsPort: (ports) => ports.ops.configResolver,
    environment: (context) => ({
      ...withDatabase("config-resolver", context.ports.ops.configResolver, context),
      DRAWBRIDGE_INTERNAL_LISTEN: at(context.ports.internal.configResolver),
      DRAWBRIDGE_UPLOAD_LISTEN: at(context.ports.bundleUpload),
      DRAWBRIDGE_FABRIC_LISTEN: at(context.ports.configResolver),
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: at(context.ports.internal.runtimeManager),
      DRAWBRIDGE_BLOB_DIR: context.layout.bundles,
      DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: context.layout.secret("config-resolver.kek"),
    }),
  },
  {
    name: "api-manager",
    directory: "apps/control-plane/api-manager",
    args: [],
    side: "control plane",
    hasDatabase: true,
    opsPort: (ports) => ports.ops.apiManager,
    environment: (context) => ({
      ...withDatabase("api-manager", context.ports.ops.apiManager, context),
      DRAWBRIDGE_INTERNAL_LISTEN: at(context.ports.internal.apiManager),
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: at(context.ports.internal.runtimeManager),
      DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: context.layout.secret("api-manager.kek"),
    }),
  },
  {
    name: "monitoring-ingest",
    directory: "apps/control-plane/monitoring-ingest",
    args: [],
    side: "control plane",
    hasDatabase: true,
    opsPort: (ports) => ports.ops.monitoringIngest,
    environment: (context) => ({
      ...withDatabase("monitoring-ingest", context.ports.ops.monitoringIngest, context),
      DRAWBRIDGE_INTERNAL_LISTEN: at(context.ports.internal.monitoringIngest),
      DRAWBRIDGE_FABRIC_LISTEN: at(context.ports.monitoringIngest),
      DRAWBRIDGE_DATA_DIR: context.layout.monitoring,
    }),
  },
  {
    name: "analytics-ingest",
    directory: "apps/control-plane/analytics-ingest",
    args: [],
    side: "control plane",
    hasDatabase: false,
    opsPort: (ports) => ports.ops.analyticsIngest,
    environment: (context) => ({
      ...controlPlane("analytics-ingest", context.ports.ops.analyticsIngest, context),
      DRAWBRIDGE_INTERNAL_LISTEN: at(context.ports.internal.analyticsIngest),
      DRAWBRIDGE_FABRIC_LISTEN: at(context.ports.analyticsIngest),
      DRAWBRIDGE_DATA_DIR: context.layout.analytics,
    }),
  },
  {
    name: "alerting",
    directory: "apps/control-plane/alerting",
    args: [],
    side: "control plane",
    hasDatabase: true,
    opsPort: (ports) => ports.ops.alerting,
    environment: (context) => ({
      ...withDatabase("alerting", context.ports.ops.alerting, context),
      DRAWBRIDGE_INTERNAL_LISTEN: at(context.ports.internal.alerting),
      DRAWBRIDGE_RULES_FILE: context.layout.alertRules,
      DRAWBRIDGE_EVALUATE_SECONDS: "5",
      DRAWBRIDGE_ANALYTICS_INGEST_ADDRESS: at(context.ports.internal.analyticsIngest),
      DRAWBRIDGE_MONITORING_INGEST_ADDRESS: at(context.ports.internal.monitoringIngest),
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: at(context.ports.internal.runtimeManager),
    }),
  },
  {
    name: "management-api",
    directory: "apps/control-plane/management-api",
    args: [],
    side: "control plane",
    hasDatabase: true,
    opsPort: (ports) => ports.ops.managementApi,
    environment: (context) => ({
      ...withDatabase("management-api", context.ports.ops.managementApi, context),
      DRAWBRIDGE_LISTEN: at(context.ports.managementApi),
      DRAWBRIDGE_ACTIVATION_ADDRESS: at(context.ports.internal.activation),
      DRAWBRIDGE_RUNTIME_MANAGER_ADDRESS: at(context.ports.internal.runtimeManager),
      DRAWBRIDGE_CONFIG_RESOLVER_ADDRESS: at(context.ports.internal.configResolver),
      DRAWBRIDGE_BUNDLE_UPLOAD_ADDRESS: at(context.ports.bundleUpload),
      DRAWBRIDGE_MONITORING_INGEST_ADDRESS: at(context.ports.internal.monitoringIngest),
      DRAWBRIDGE_API_MANAGER_ADDRESS: at(context.ports.internal.apiManager),
      DRAWBRIDGE_ANALYTICS_INGEST_ADDRESS: at(context.ports.internal.analyticsIngest),
      DRAWBRIDGE_ALERTING_ADDRESS: at(context.ports.internal.alerting),
      DRAWBRIDGE_BOOTSTRAP_ADMIN_PASSWORD_FILE: context.layout.secret("admin-password"),
    }),
  },
  {
    name: "agent",
    directory: "apps/fabric/agent",
    args: ["run"],
    side: "fabric",
    hasDatabase: false,
    opsPort: (ports) => ports.ops.agent,
    environment: (context) => ({
      ...common("agent", context.ports.ops.agent, context),
      DRAWBRIDGE_STATE_DIR: context.layout.agent,
      DRAWBRIDGE_CLUSTER_DRIVER: "process",
      DRAWBRIDGE_ALLOW_LOGS: "true",
      DRAWBRIDGE_APP_PORT_RANGE: context.ports.apps.join("-"),
    }),
  },
  {
    name: "monitoring-collector",
    directory: "apps/fabric/monitoring-collector",
    args: [],
    side: "fabric",
    hasDatabase: false,
    opsPort: (ports) => ports.ops.monitoringCollector,
    environment: (context) => ({
      ...common("monitoring-collector", context.ports.ops.monitoringCollector, context),
      DRAWBRIDGE_STATE_DIR: context.layout.agent,
      DRAWBRIDGE_INGEST_ADDRESS: at(context.ports.monitoringIngest),
    }),
  },
];

export const controlPlaneServices = services.filter(({ side }) => side === "control plane");
export const servicesWithDatabase = services.filter(({ hasDatabase }) => hasDatabase);

/** @throws Error for a name that is not a service: a mistake in our own code. */
export function serviceNamed(name: string): ServiceDefinition {
  const found = services.find((service) => service.name === name);
  if (!found)
    throw new Error(`there is no service "${name}"; there are ${services.map((service) => service.name).join(", ")}`);
  return found;
}

/** Names of the roles and schemas in PostgreSQL: the service's name with underscores. */
export function schemaOf(service: string): string {
  return service.replaceAll("-", "_");
}

/** The environment as a file for `node --env-file`: values are quoted, names sorted. */
export function formatEnvFile(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([name, value]) => `${name}=${JSON.stringify(value)}\n`)
    .join("");
}
