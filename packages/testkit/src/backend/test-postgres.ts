import { randomBytes } from "node:crypto";
import { startPostgres } from "@drawbridge/local";
import { escapeIdentifier } from "pg";
import { startInTempDir, type KillableServer } from "./backing-server.ts";
import { ensureTemplate, withAdmin, type TestDatabaseOptions } from "./database-template.ts";
import { readTestEnvironment } from "./test-environment.ts";

export interface TestDatabase extends AsyncDisposable {
  /** As the role that owns the schema; also the owner's migrations ran as this role. */
  readonly url: string;
  /** For looking into what the role cannot see. */
  readonly adminUrl: string;
}

export interface TestPostgres extends AsyncDisposable {
  readonly adminUrl: string;
  /** A database of its own, cloned from a migrated template. Dropped at the end of its scope. */
  createDatabase(options: TestDatabaseOptions): Promise<TestDatabase>;
}

export interface PrivateTestPostgres extends TestPostgres, KillableServer {}

/**
 * PostgreSQL for a test file: the server that global-setup started, or the one of DRAWBRIDGE_TEST_POSTGRES_URL, else one
 * of its own. Rejects when there is none: a missing backend fails.
 */
export async function startTestPostgres(): Promise<TestPostgres> {
  const { postgresUrl } = readTestEnvironment();
  if (postgresUrl === undefined) return startPrivateTestPostgres();
  return { ...databasesOf(postgresUrl), [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** A server of its own, for tests that kill it. */
export async function startPrivateTestPostgres(): Promise<PrivateTestPostgres> {
  const environment = readTestEnvironment();
  if (environment.backend === "containers") {
    const { startPostgresContainer } = await import("./containers.ts");
    const container = await startPostgresContainer(environment.postgresImage);
    return { ...container.server, ...databasesOf(container.url), [Symbol.asyncDispose]: () => container.remove() };
  }
  const { server, controls } = await startInTempDir((stateDir) =>
    startPostgres({ stateDir, port: 0, survives: "process-kill" }),
  );
  return { ...databasesOf(server.url), ...controls };
}

function databasesOf(adminUrl: string): Pick<TestPostgres, "adminUrl" | "createDatabase"> {
  return {
    adminUrl,
    createDatabase: async (options) => {
      const template = await ensureTemplate(adminUrl, options);
      const name = `test_${randomBytes(8).toString("hex")}`;
      const quoted = escapeIdentifier(name);
      await withAdmin(adminUrl, (admin) =>
        admin.query(`CREATE DATABASE ${quoted} TEMPLATE ${escapeIdentifier(template.name)}`),
      );
      const url = new URL(adminUrl);
      url.pathname = `/${name}`;
      const asAdmin = url.href;
      url.username = template.role;
      url.password = template.password;
      return {
        url: url.href,
        adminUrl: asAdmin,
        [Symbol.asyncDispose]: async () => {
          await withAdmin(adminUrl, (admin) => admin.query(`DROP DATABASE IF EXISTS ${quoted} WITH (FORCE)`));
        },
      };
    },
  };
}
