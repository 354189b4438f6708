import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ColumnarStore, openColumnarStore, readColumnarMigrations, sql } from "@drawbridge/columnar";
import { createTestLogger } from "@drawbridge/testkit";
import type { Dashboard } from "@grafana/schema";
import { type Query, queriesOf } from "../../src/queries.ts";

const home = join(import.meta.dirname, "../..");

export function questionsOf(file: string): readonly Query[] {
  return queriesOf(JSON.parse(readFileSync(join(home, "grafana/dashboards", file), "utf8")) as Dashboard);
}

/** An engine with the tables of a service. */
export async function openTables(
  folder: string,
  migrations: string,
  cleanup: AsyncDisposableStack,
): Promise<ColumnarStore> {
  const { logger } = createTestLogger();
  const store = openColumnarStore({ engine: { kind: "embedded", directory: join(folder, "store") }, logger });
  await store.start(new AbortController().signal);
  cleanup.defer(() => store.stop(AbortSignal.timeout(10_000)));
  await store.migrate(await readColumnarMigrations(join(home, "../../apps/control-plane", migrations)));
  return store;
}

/** What Grafana's plugin makes of its macros, for a day around `at`, and of variables with several values. */
export function asGrafanaSends(text: string, at: number): string {
  return text
    .replaceAll(
      /\$__timeFilter\((\w+)\)/g,
      `$1 >= toDateTime(${at / 1_000 - 43_200}) AND $1 <= toDateTime(${at / 1_000 + 43_200})`,
    )
    .replaceAll(/\$__timeInterval\((\w+)\)/g, "toStartOfInterval(toDateTime($1), INTERVAL 900 second)")
    .replaceAll(/\$\{\w+:singlequote\}/g, "'one','two'");
}

/** The store takes source text only, which it knows by being frozen; this is a file of the repository. */
export function statement(text: string) {
  return sql(Object.freeze(Object.assign([text], { raw: Object.freeze([text]) })));
}
