import { createHash, createHmac } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { provisionDatabase } from "@drawbridge/local";
import { inboxMigrationSql, outboxMigrationSql, runMigrations } from "@drawbridge/store";
import { Client, escapeIdentifier, escapeLiteral } from "pg";

export interface TestDatabaseOptions {
  readonly schema: string;
  /** Folder of `NNNN_name.sql`. Default: an empty schema. */
  readonly migrations?: string;
}

export interface DatabaseTemplate {
  readonly name: string;
  /** The role that owns the schema, and nothing else, as in production. */
  readonly role: string;
  readonly password: string;
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/**
 * A migrated database to clone from, made once per server and content of the migrations: cloning takes some 30 ms,
 * migrating a multiple. Test files ask for it at the same time; the first one makes it.
 */
export async function ensureTemplate(adminUrl: string, options: TestDatabaseOptions): Promise<DatabaseTemplate> {
  const hash = await contentHash(options);
  const name = `template_${hash}`;
  const role = `t${hash.slice(0, 8)}_${options.schema}`;
  // Derived, so that all test processes know it without telling each other.
  const password = createHmac("sha256", new URL(adminUrl).password).update(role).digest("base64url");
  await withAdmin(adminUrl, async (admin) => {
    await admin.query("SELECT pg_advisory_lock(hashtextextended($1, 0))", [name]);
    const found = await admin.query("SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate", [name]);
    if (found.rowCount !== 0) return;
    await admin.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`); // half made
    await makeTemplate(adminUrl, name, role, options);
    await admin.query(`ALTER ROLE ${escapeIdentifier(role)} PASSWORD ${escapeLiteral(password)}`);
    await admin.query(`ALTER DATABASE ${escapeIdentifier(name)} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false`);
  });
  return { name, role, password };
}

async function makeTemplate(
  adminUrl: string,
  database: string,
  role: string,
  options: TestDatabaseOptions,
): Promise<void> {
  let url = "";
  await provisionDatabase({
    adminUrl,
    database,
    services: [options.schema],
    rolePrefix: role.slice(0, -options.schema.length),
    saveUrl: (_service, saved) => {
      url = saved;
      return Promise.resolve();
    },
  });
  if (options.migrations === undefined) return;
  await runMigrations({ url, schema: options.schema, directory: options.migrations, logger: silent });
}

async function contentHash(options: TestDatabaseOptions): Promise<string> {
  const hash = createHash("sha256").update(options.schema).update(outboxMigrationSql).update(inboxMigrationSql);
  if (options.migrations !== undefined) {
    for (const name of (await readdir(options.migrations)).toSorted()) {
      hash.update(name).update(await readFile(join(options.migrations, name)));
    }
  }
  return hash.digest("hex").slice(0, 16);
}

export async function withAdmin<T>(adminUrl: string, work: (admin: Client) => Promise<T>): Promise<T> {
  const admin = new Client({ connectionString: adminUrl });
  admin.on("error", () => undefined); // the query under way rejects too
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end().catch(() => undefined);
  }
}
