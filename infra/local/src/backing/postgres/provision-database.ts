import { randomBytes } from "node:crypto";
import { Client, escapeIdentifier, escapeLiteral } from "pg";
import { scramVerifier } from "./scram.ts";

export interface ProvisionDatabaseOptions {
  /** A role that may create databases and roles. */
  readonly adminUrl: string;
  /** Default `drawbridge`. */
  readonly database?: string;
  /** Names of schemas; each gets a login role of the same name (after `rolePrefix`). */
  readonly services: readonly string[];
  /** Roles are shared by all databases of a server: tests tell theirs apart. Default "". */
  readonly rolePrefix?: string;
  /** The URL that an earlier call saved, if there is one: its password is kept while it works. */
  readonly loadUrl?: (service: string) => Promise<string | undefined>;
  /** Must keep the URL where only the service can read it (0600); called before the password takes effect. */
  readonly saveUrl: (service: string, url: string) => Promise<void>;
}

/**
 * One database; per service one schema, and one login role that owns that schema and may touch nothing else. Safe to
 * repeat: what is there stays, a lost or wrong URL gets a new password.
 */
export async function provisionDatabase(options: ProvisionDatabaseOptions): Promise<void> {
  const database = options.database ?? "drawbridge";
  await withClient(options.adminUrl, (admin) => ensureDatabase(admin, database));
  const databaseUrl = new URL(options.adminUrl);
  databaseUrl.pathname = `/${encodeURIComponent(database)}`;
  await withClient(databaseUrl.href, async (admin) => {
    await admin.query("REVOKE ALL ON SCHEMA public FROM PUBLIC");
    for (const service of options.services) {
      await ensureRole(admin, { ...options, database, databaseUrl, service });
      await ensureSchema(admin, `${options.rolePrefix ?? ""}${service}`, service, database);
    }
  });
}

async function ensureDatabase(admin: Client, database: string): Promise<void> {
  const found = await admin.query("SELECT 1 FROM pg_database WHERE datname = $1", [database]);
  if (found.rowCount !== 0) return;
  await admin.query(`CREATE DATABASE ${escapeIdentifier(database)}`);
  await admin.query(`REVOKE ALL ON DATABASE ${escapeIdentifier(database)} FROM PUBLIC`);
}

async function ensureRole(
  admin: Client,
  options: ProvisionDatabaseOptions & {
    readonly database: string;
    readonly databaseUrl: URL;
    readonly service: string;
  },
): Promise<void> {
  const role = `${options.rolePrefix ?? ""}${options.service}`;
  const quoted = escapeIdentifier(role);
  const found = await admin.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [role]);
  if (found.rowCount === 0) {
    await admin.query(
      `CREATE ROLE ${quoted} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS`,
    );
  }
  await admin.query(`GRANT CONNECT ON DATABASE ${escapeIdentifier(options.database)} TO ${quoted}`);

  const saved = await options.loadUrl?.(options.service);
  const savedPassword = saved === undefined ? "" : decodeURIComponent(new URL(saved).password);
  if (savedPassword !== "") {
    const url = roleUrl(options.databaseUrl, role, savedPassword);
    if (await canConnect(url)) {
      if (url !== saved) await options.saveUrl(options.service, url); // the server moved to another port
      return;
    }
  }
  const password = randomBytes(32).toString("base64url");
  await options.saveUrl(options.service, roleUrl(options.databaseUrl, role, password));
  await admin.query(`ALTER ROLE ${quoted} PASSWORD ${escapeLiteral(scramVerifier(password))}`);
}

async function ensureSchema(admin: Client, role: string, schema: string, database: string): Promise<void> {
  const quotedRole = escapeIdentifier(role);
  const quotedSchema = escapeIdentifier(schema);
  const found = await admin.query("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]);
  if (found.rowCount === 0) {
    // Made by the administrator, then handed over: without a membership, CREATE ... AUTHORIZATION needs a superuser.
    await admin.query(`GRANT ${quotedRole} TO CURRENT_USER`);
    await admin.query(`CREATE SCHEMA ${quotedSchema} AUTHORIZATION ${quotedRole}`);
  }
  await admin.query(
    `ALTER ROLE ${quotedRole} IN DATABASE ${escapeIdentifier(database)} SET search_path = ${quotedSchema}`,
  );
}

function roleUrl(databaseUrl: URL, role: string, password: string): string {
  const url = new URL(databaseUrl);
  url.username = encodeURIComponent(role);
  url.password = encodeURIComponent(password);
  return url.href;
}

async function canConnect(url: string): Promise<boolean> {
  try {
    await withClient(url, async (client) => void (await client.query("SELECT 1")));
    return true;
  } catch {
    return false; // whatever the reason, a new password is the cure
  }
}

async function withClient(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on("error", () => undefined); // the query under way rejects too
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
