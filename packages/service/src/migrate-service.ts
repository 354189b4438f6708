import { fileURLToPath } from "node:url";
import { loadConfigOrExit, secretFile, telemetryFields } from "@drawbridge/config";
import { runMigrations } from "@drawbridge/store";
import { createLogger } from "@drawbridge/telemetry";
import { z } from "zod";

const configSchema = z.object({
  ...telemetryFields(),
  DATABASE_URL_FILE: secretFile().meta({
    description: "file that holds the PostgreSQL URL of the role that owns the schema",
  }),
});

/**
 * The whole job: brings the schema of `service` (`api_manager` of `api-manager`) up to date, says what it did, and ends.
 * Services never migrate themselves: their role may not.
 */
export async function migrateService(
  service: string,
  job: { readonly migrations: URL; readonly env: NodeJS.ProcessEnv },
): Promise<void> {
  const config = loadConfigOrExit({ program: `${service}-migrate`, schema: configSchema, env: job.env });
  await runMigrations({
    url: config.DATABASE_URL_FILE,
    schema: service.replaceAll("-", "_"),
    directory: fileURLToPath(job.migrations),
    logger: createLogger({ service, level: config.LOG_LEVEL, format: config.LOG_FORMAT }),
  });
}
