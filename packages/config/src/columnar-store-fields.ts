import { z } from "zod";
import { filePath } from "./fields.ts";

/** For a service with a columnar store: inside itself below DATA_DIR, or in a ClickHouse. With `wholeColumnarStore`. */
export const columnarStoreFields = (dataDirectory: string) => ({
  DATA_DIR: filePath().meta({ description: dataDirectory }),
  CLICKHOUSE_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ description: "http(s)://host:port of ClickHouse, instead of the store inside this service" }),
  CLICKHOUSE_DATABASE: z.string().min(1).optional().meta({ description: "its database, which exists" }),
  CLICKHOUSE_CREDENTIALS_FILE: filePath()
    .optional()
    .meta({ description: "file that holds `user:password` for ClickHouse" }),
  CLICKHOUSE_CLUSTER: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, "must be a name of letters, digits and _")
    .optional()
    .meta({
      description: "its name in `remote_servers`, for replicated and distributed tables; without it, one server",
    }),
  BACKUP_DIR: filePath().optional().meta({
    description: "absolute folder that the store inside this service is backed up into; without it, it is not",
  }),
  BACKUP_INTERVAL_HOURS: z.coerce.number().int().min(1).max(720).default(24).meta({
    description: "how old the newest backup gets before the next is made",
  }),
  BACKUPS_KEPT: z.coerce.number().int().min(1).max(1_000).default(7).meta({
    description: "how many backups stay; the oldest go first",
  }),
});

interface ColumnarStoreSettings {
  readonly CLICKHOUSE_URL?: string | undefined;
  readonly CLICKHOUSE_DATABASE?: string | undefined;
  readonly CLICKHOUSE_CREDENTIALS_FILE?: string | undefined;
  readonly BACKUP_DIR?: string | undefined;
}

/** For `superRefine`: a ClickHouse that is only half named would silently be the store inside the service, and not backed up. */
export function wholeColumnarStore(settings: ColumnarStoreSettings, context: z.RefinementCtx): void {
  if (settings.BACKUP_DIR !== undefined && !settings.BACKUP_DIR.startsWith("/")) {
    context.addIssue({ code: "custom", message: "must be an absolute path", path: ["BACKUP_DIR"] });
  }
  if (settings.CLICKHOUSE_URL === undefined) return;
  if (settings.BACKUP_DIR !== undefined) {
    const message = "is for the store inside this service; a ClickHouse has its own BACKUP statement";
    context.addIssue({ code: "custom", message, path: ["BACKUP_DIR"] });
  }
  for (const name of ["CLICKHOUSE_DATABASE", "CLICKHOUSE_CREDENTIALS_FILE"] as const) {
    if (settings[name] !== undefined) continue;
    context.addIssue({ code: "custom", message: "is needed with CLICKHOUSE_URL", path: [name] });
  }
}
