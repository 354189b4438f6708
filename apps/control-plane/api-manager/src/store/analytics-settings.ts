import { sql, type Store } from "@drawbridge/store";
import { type AnalyticsSetting, defaultAnalytics } from "../domain/analytics-setting.ts";
import type { ApiManagerDatabase } from "./database.ts";
import type { Save } from "./save.ts";

/** The setting of an environment, and what hangs on it. */
export interface AnalyticsSettingView {
  readonly setting: AnalyticsSetting;
  readonly apis: number;
  /** Of them, those that say no. */
  readonly apisOff: number;
  /** undefined: nobody set any, it is the default one. */
  readonly updated: { readonly at: Date; readonly by: string } | undefined;
}

type Reader = Pick<Store<ApiManagerDatabase>, "db">["db"];

export async function readAnalyticsSetting(
  db: Reader,
  org: string,
  environment: string,
): Promise<AnalyticsSettingView> {
  const row = await db
    .selectFrom("analytics_setting")
    .selectAll()
    .where("org", "=", org)
    .where("environment", "=", environment)
    .executeTakeFirst();
  const { rows } = await sql<{ apis: string; apis_off: string }>`
    SELECT count(*) AS apis, count(*) FILTER (WHERE analytics = 'off') AS apis_off FROM api
    WHERE org = ${org} AND environment = ${environment}
  `.execute(db);
  return {
    setting: row ? settingOf(row) : defaultAnalytics,
    apis: Number(rows[0]?.apis ?? 0),
    apisOff: Number(rows[0]?.apis_off ?? 0),
    updated: row && { at: row.updated_at, by: row.updated_by },
  };
}

/** Write the setting of an environment, and say that the documents of its APIs change. */
export async function writeAnalyticsSetting(
  { tx, org, now, requestedBy, changed }: Save,
  environment: string,
  setting: AnalyticsSetting,
): Promise<void> {
  const { isOn, clientAddress, userAgent, geography, routeWords } = setting;
  const row = {
    org,
    environment,
    is_on: isOn,
    client_address: clientAddress,
    user_agent: userAgent,
    geography,
    route_words: [...routeWords],
    updated_at: now,
    updated_by: requestedBy,
  };
  await tx
    .insertInto("analytics_setting")
    .values(row)
    .onConflict((conflict) => conflict.columns(["org", "environment"]).doUpdateSet(row))
    .execute();
  const apis = await tx
    .selectFrom("api")
    .select("api_id")
    .where("org", "=", org)
    .where("environment", "=", environment)
    .execute();
  for (const { api_id: apiId } of apis) changed.facts(apiId);
}

/** The columns of a setting. */
export interface AnalyticsColumns {
  readonly is_on: boolean;
  readonly client_address: AnalyticsSetting["clientAddress"];
  readonly user_agent: boolean;
  readonly geography: AnalyticsSetting["geography"];
  readonly route_words: readonly string[];
}

export function settingOf(row: AnalyticsColumns): AnalyticsSetting {
  return {
    isOn: row.is_on,
    clientAddress: row.client_address,
    userAgent: row.user_agent,
    geography: row.geography,
    routeWords: row.route_words,
  };
}
