import { copyFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { openStore, runMigrations, sql } from "@drawbridge/store";
import { createTestLogger, startTestPostgres, tempDir } from "@drawbridge/testkit";
import { expect, test } from "vitest";
import { defaultAnalytics } from "../src/domain/analytics-setting.ts";
import { readAnalyticsSetting } from "../src/store/analytics-settings.ts";
import type { ApiManagerDatabase } from "../src/store/database.ts";

const directory = join(import.meta.dirname, "../migrations");
const schema = "api_manager";

test("an upgrade begins to tell nothing: where there are APIs already, analytics stay off until somebody turns them on (ANA 3)", async () => {
  const { logger } = createTestLogger();
  await using earlier = await tempDir();
  for (const file of (await readdir(directory)).filter((name) => name < "0004")) {
    await copyFile(join(directory, file), join(earlier.path, file));
  }
  await using postgres = await startTestPostgres();
  await using database = await postgres.createDatabase({ schema, migrations: earlier.path });
  const store = openStore<ApiManagerDatabase>({ url: database.url, schema, logger });
  await store.start(new AbortController().signal);
  try {
    await sql`
      INSERT INTO api (api_id, org, environment, name, version, description, openapi, auto_approve, revision,
        document_digest, contract_count, created_at, updated_at, updated_by)
      VALUES (gen_random_uuid(), 'acme', 'production', 'orders', 'v1', '', '', false, 1, '\\x00', 0, now(), now(), 'alice'),
        (gen_random_uuid(), 'acme', 'production', 'orders', 'v2', '', '', false, 1, '\\x00', 0, now(), now(), 'alice')
    `.execute(store.db);
    expect(await runMigrations({ url: database.url, schema, directory, logger })).toContain(
      "0004_analytics_settings.sql",
    );
    expect(await readAnalyticsSetting(store.db, "acme", "production")).toMatchObject({
      setting: { ...defaultAnalytics, isOn: false },
      apis: 2,
      apisOff: 0,
      updated: { by: "upgrade" },
    });
    expect(await readAnalyticsSetting(store.db, "acme", "later")).toMatchObject({
      setting: { isOn: true },
      updated: undefined,
    });
  } finally {
    await store.stop(AbortSignal.timeout(5_000));
  }
});
