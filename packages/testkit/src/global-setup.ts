import { findNatsServer } from "@drawbridge/local";
import { readTestEnvironment, sharePostgres } from "./backend/test-environment.ts";
import { startPrivateTestPostgres } from "./backend/test-postgres.ts";

/**
 * For vitest's `globalSetup`: one PostgreSQL for the whole run instead of one per file, and a NATS server found (or
 * built) before the first test waits for it. Answers the teardown.
 */
export async function setup(): Promise<() => Promise<void>> {
  const environment = readTestEnvironment();
  if (environment.backend === "local" && environment.natsUrl === undefined) {
    await findNatsServer({ progress: { progress: say } });
  }
  if (environment.postgresUrl !== undefined) return () => Promise.resolve();
  const postgres = await startPrivateTestPostgres();
  sharePostgres(postgres.adminUrl);
  return async () => {
    sharePostgres(undefined);
    await postgres[Symbol.asyncDispose]();
  };
}

function say(message: string): void {
  process.stderr.write(`${message}\n`);
}
