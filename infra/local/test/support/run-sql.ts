import { readFile } from "node:fs/promises";
import { Client } from "pg";
import type { LocalStack } from "../../src/stack/local-stack.ts";

/** A statement as the database's administrator: for what only time or an accident does otherwise. */
export async function runSql({ backing, layout }: LocalStack, statement: string): Promise<void> {
  const url = new URL(backing.postgres.url);
  const services = await readFile(layout.secret("cert-authority.database-url"), "utf8");
  url.pathname = new URL(services.trim()).pathname; // the administrator's own database is another one
  const client = new Client({ connectionString: url.href });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
