import { relative } from "node:path";
import type { LocalStack } from "./stack/local-stack.ts";

/** The part of `drawbridge app show -o json` that the welcome needs. */
export interface ExampleApp {
  readonly name: string;
  readonly version: string;
  readonly statusCurrent: boolean;
  readonly status: {
    readonly phase: string;
    readonly readyReplicas: number;
    readonly endpoints: readonly string[];
    readonly conditions?: readonly { readonly status: string; readonly message: string }[];
  } | null;
}

/** What runs, where, how to log in, and three commands to try. */
export function welcomeText(options: {
  readonly stack: LocalStack;
  readonly app: ExampleApp;
  readonly seconds: number;
}): string {
  const { app, stack } = options;
  const { backing, layout, ports } = stack;
  const rows: readonly (readonly [string, string])[] = [
    ["management API", `https://127.0.0.1:${ports.managementApi}  (OpenAPI at /v1/openapi.json)`],
    ["activation", `127.0.0.1:${ports.activation}  gRPC, one-way TLS`],
    ["tunnel", `127.0.0.1:${ports.tunnel}  gRPC, mTLS`],
    ["config-resolver", `https://127.0.0.1:${ports.configResolver}  mTLS`],
    ["monitoring-ingest", `https://127.0.0.1:${ports.monitoringIngest}  mTLS`],
    ["analytics-ingest", `https://127.0.0.1:${ports.analyticsIngest}  one-way TLS, token`],
    ["trust bundle, CRL", `https://127.0.0.1:${ports.certAuthority}/v1/trust-bundle`],
    ["NATS", `${backing.nats.url}  ${backing.nats.version}`],
    ["PostgreSQL", `127.0.0.1:${ports.postgres}  database drawbridge`],
    ["fabric local", `connected, agent state in ${shown(layout.agent)}`],
    [
      `app ${app.name}`,
      `${app.status?.endpoints[0] ?? "-"}  version ${app.version}, ${app.status?.readyReplicas ?? 0} replica(s)`,
    ],
    ["login", `user admin, password in ${shown(layout.secret("admin-password"))}`],
    ["logs", `${shown(layout.logs)}/<service>.log`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const cli = `DRAWBRIDGE_CONFIG_DIR=${shown(layout.cli)} ./drawbridge`;
  return [
    "",
    `Drawbridge is ready after ${options.seconds.toFixed(1)} s.`,
    "",
    ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
    "",
    "Try, in another terminal:",
    `  curl ${app.status?.endpoints[0] ?? ""}/`,
    `  ${cli} app scale ${app.name} 3 --wait`,
    `  ${cli} fabric show local`,
    "",
    "Ctrl-C stops everything; the next start resumes. `npm start -- --fresh` begins anew.",
  ].join("\n");
}

function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}
