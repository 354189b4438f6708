import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { provisionBus } from "@drawbridge/bus";
import { DrawbridgeError } from "@drawbridge/errors";
import { startNats, type ManagedNats } from "../backing/nats/start-nats.ts";
import { provisionDatabase } from "../backing/postgres/provision-database.ts";
import { startPostgres, type ManagedPostgres } from "../backing/postgres/start-postgres.ts";
import type { LocalProgress } from "../backing/local-progress.ts";
import { readOrCreateSecret, writePrivateFile } from "../backing/secret-file.ts";
import { runProgram } from "./child.ts";
import type { StackLayout } from "./layout.ts";
import type { StackPorts } from "./ports.ts";
import {
  formatEnvFile,
  schemaOf,
  type ServiceContext,
  serviceNamed,
  services,
  servicesWithDatabase,
} from "./services.ts";

const provisionTimeoutMs = 120_000;

export interface Backing {
  readonly nats: ManagedNats;
  readonly postgres: ManagedPostgres;
}

export interface PrepareOptions {
  readonly layout: StackLayout;
  readonly ports: StackPorts;
  readonly progress: LocalProgress;
  readonly logFormat: "json" | "pretty";
  /** See startPostgres. */
  readonly survives?: "power-cut" | "process-kill";
  /** Laid over the environment of a service, or of the job "bootstrap": tests shorten times with it. */
  readonly overrides?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** NATS and PostgreSQL, started side by side; if one cannot start, the other is stopped. */
export async function startBacking(options: PrepareOptions): Promise<Backing> {
  const { layout, ports, progress } = options;
  for (const directory of [
    layout.logs,
    layout.secrets,
    layout.bundles,
    layout.analytics,
    layout.monitoring,
    layout.agent,
    layout.identities,
    layout.cli,
    layout.traces,
  ]) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  }
  const [nats, postgres] = await Promise.allSettled([
    startNats({ stateDir: layout.nats, port: ports.nats, progress, provision }),
    startPostgres({
      stateDir: layout.postgres,
      port: ports.postgres,
      progress,
      ...(options.survives ? { survives: options.survives } : {}),
    }),
  ]);
  if (nats.status === "fulfilled" && postgres.status === "fulfilled")
    return { nats: nats.value, postgres: postgres.value };
  for (const started of [nats, postgres]) if (started.status === "fulfilled") await started.value.stop();
  throw nats.status === "rejected"
    ? nats.reason
    : postgres.status === "rejected"
      ? postgres.reason
      : new Error("unreachable");
}

/** What services may not make themselves, made again after every start: the bucket in memory goes with the server. */
async function provision(server: { readonly url: string; readonly credentials: string }): Promise<void> {
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
  await provisionBus({ ...server, logger: quiet }, AbortSignal.timeout(provisionTimeoutMs));
}

/** Roles, schemas, migrations, certificates and one environment file per service. Safe to repeat. */
export async function prepareControlPlane(backing: Backing, options: PrepareOptions): Promise<void> {
  const { layout, ports } = options;
  await provisionDatabase({
    adminUrl: backing.postgres.url,
    services: servicesWithDatabase.map(({ name }) => schemaOf(name)),
    loadUrl: async (schema) => readIfThere(urlFile(layout, schema)),
    saveUrl: (schema, url) => writePrivateFile(urlFile(layout, schema), `${url}\n`),
  });
  await readOrCreateSecret(layout.secret("cert-authority.kek"));
  await readOrCreateSecret(layout.secret("config-resolver.kek"));
  await readOrCreateSecret(layout.secret("api-manager.kek"));
  await readOrCreateSecret(layout.secret("activation.join-state-key"));
  await writeAdminPassword(layout);
  await writeAlertRules(layout);

  const context: ServiceContext = { layout, ports, nats: backing.nats, logFormat: options.logFormat };
  const environments = new Map(
    services.map((service) => [
      service.name,
      { ...service.environment(context), ...options.overrides?.[service.name] },
    ]),
  );
  await Promise.all(
    servicesWithDatabase.map(({ name, directory }) =>
      job(`${directory}/src/migrate.ts`, migrateEnvironment(environments.get(name) ?? {})),
    ),
  );
  await job(`${serviceNamed("cert-authority").directory}/src/bootstrap.ts`, {
    ...migrateEnvironment(environments.get("cert-authority") ?? {}),
    DRAWBRIDGE_KEY_ENCRYPTION_KEY_FILE: layout.secret("cert-authority.kek"),
    DRAWBRIDGE_IDENTITIES_DIR: layout.identities,
    ...options.overrides?.["bootstrap"],
  });
  for (const [name, environment] of environments)
    await writePrivateFile(layout.envFile(name), formatEnvFile(environment));
}

function urlFile(layout: StackLayout, schema: string): string {
  return layout.secret(`${schema.replaceAll("_", "-")}.database-url`);
}

/** A job gets the settings that jobs know; a service's own would be refused as unknown. */
function migrateEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  const known = new Set(["DRAWBRIDGE_DATABASE_URL_FILE", "DRAWBRIDGE_LOG_FORMAT"]);
  return Object.fromEntries(Object.entries(environment).filter(([name]) => known.has(name)));
}

async function job(program: string, env: Readonly<Record<string, string>>): Promise<void> {
  const result = await runProgram({ program, env });
  if (result.exitCode === 0) return;
  throw new DrawbridgeError({
    kind: "internal",
    code: "STACK_JOB_FAILED",
    message: `${program} ended with exit code ${result.exitCode}:\n${`${result.stdout}${result.stderr}`.trim().split("\n").slice(-15).join("\n")}`,
  });
}

/** Four groups that a person can type. */
async function writeAdminPassword(layout: StackLayout): Promise<void> {
  const file = layout.secret("admin-password");
  if (existsSync(file)) return;
  const groups = randomBytes(12).toString("hex").match(/.{6}/g) ?? [];
  await writePrivateFile(file, `${groups.join("-")}\n`);
}

/** Nobody to tell yet: what is needed for somebody, to be taken out of the comment. A file that is there stays. */
async function writeAlertRules(layout: StackLayout): Promise<void> {
  if (existsSync(layout.alertRules)) return;
  const secret = layout.secret("alerts.webhook");
  await readOrCreateSecret(secret);
  await writePrivateFile(
    layout.alertRules,
    `# Who can be told of alerts (docs/alerts.md). A change counts within seconds; drawbridge alert receivers shows them.
receivers: []
#  - name: on-call
#    webhook: { url: "http://127.0.0.1:9000/", secretFile: ${secret}, allowLoopbackHttp: true }
`,
  );
}

async function readIfThere(path: string): Promise<string | undefined> {
  return existsSync(path) ? (await readFile(path, "utf8")).trim() : undefined;
}
