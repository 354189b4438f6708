import { consumeOnce, sql, type Store } from "@drawbridge/store";
import { apiPageText, pageKey } from "../domain/page.ts";
import type { Binding } from "../domain/binding.ts";
import type { ApiManagerDatabase } from "./database.ts";
import { rewriteTree } from "./rewrite-trees.ts";
import { nextEdition, type Save } from "./save.ts";

/** What runtime-manager, their owner, says of the bindings of a fabric. */
export type BindingAnswer =
  | { readonly fabric: "exists"; readonly org: string; readonly bindings: readonly Binding[] }
  | { readonly fabric: "gone" };

export interface BindingRepository {
  /**
   * Ask the owner and keep what it says; the fabric's tree follows in the same transaction. Who asks holds a lock of the
   * fabric meanwhile, so that the answer that was asked for last is the one that stays.
   */
  refresh(question: {
    readonly fabricId: string;
    /** Of the event that it is asked for; handled once. */
    readonly eventId?: string;
    readonly ask: () => Promise<BindingAnswer>;
    readonly now: Date;
  }): Promise<void>;
  /** Fabrics that have bindings or a tree. */
  fabricIds(): Promise<readonly string[]>;
}

export function createBindingRepository(store: Store<ApiManagerDatabase>): BindingRepository {
  return {
    refresh: ({ fabricId, eventId, ask, now }) =>
      store.transaction(async (tx) => {
        await sql`SELECT pg_advisory_xact_lock(hashtextextended(${`bindings ${fabricId}`}, 0))`.execute(tx);
        if (eventId !== undefined && (await consumeOnce(tx, { consumer: "api-manager", eventId })) === "duplicate")
          return;
        const answer = await ask();
        if (answer.fabric === "gone") await forget(tx, fabricId);
        else await keep(tx, { fabricId, ...answer, now });
      }),
    fabricIds: async () => {
      const { rows } = await sql<{ fabric_id: string }>`
        SELECT fabric_id FROM fabric UNION SELECT fabric_id FROM binding ORDER BY fabric_id
      `.execute(store.db);
      return rows.map((row) => row.fabric_id);
    },
  };
}

async function keep(
  tx: Save["tx"],
  { fabricId, org, bindings, now }: { fabricId: string; org: string; bindings: readonly Binding[]; now: Date },
): Promise<void> {
  const sorted = bindings.toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
  if (await isAsBefore(tx, fabricId, org, sorted)) return;
  const edition = await nextEdition(tx, org);
  await tx.deleteFrom("binding").where("fabric_id", "=", fabricId).execute();
  await sql`
    INSERT INTO binding (fabric_id, place, org, app_id, app_name, environment, api_name, api_version, base_path, resources, page_key)
    SELECT ${fabricId}::uuid, place, ${org}, app_id, app_name, environment, api_name, api_version, base_path, resources, page_key
    FROM unnest(
      ${sorted.map((binding) => binding.appId)}::uuid[], ${sorted.map((binding) => binding.appName)}::text[],
      ${sorted.map((binding) => binding.api.environment)}::text[], ${sorted.map((binding) => binding.api.name)}::text[],
      ${sorted.map((binding) => binding.api.version)}::text[], ${sorted.map((binding) => binding.basePath)}::text[],
      ${sorted.map((binding) => JSON.stringify(binding.resources))}::jsonb[],
      ${sorted.map((binding) => pageKey(apiPageText(binding.api)))}::bigint[]
    ) WITH ORDINALITY AS bound (app_id, app_name, environment, api_name, api_version, base_path, resources, page_key, place)
  `.execute(tx);
  await rewriteTree({ tx, org, edition, now }, fabricId, { keys: "all", apis: "others" });
}

/** The app first, so that the rows of an app are together. */
function orderOf({ appId, api, basePath }: Binding): string {
  return [appId, api.environment, api.name, api.version, basePath].join("\n");
}

async function isAsBefore(tx: Save["tx"], fabricId: string, org: string, sorted: readonly Binding[]): Promise<boolean> {
  const rows = await tx.selectFrom("binding").selectAll().where("fabric_id", "=", fabricId).orderBy("place").execute();
  const before = rows.map((row): Binding & { readonly org: string } => ({
    org: row.org,
    appId: row.app_id,
    appName: row.app_name,
    api: { environment: row.environment, name: row.api_name, version: row.api_version },
    basePath: row.base_path,
    resources: row.resources.map(({ method, path }) => ({ method, path })),
  }));
  // Key order is the one of the type, on both sides.
  return JSON.stringify(before) === JSON.stringify(sorted.map((binding) => inOrder(org, binding)));
}

function inOrder(org: string, { appId, appName, api, basePath, resources }: Binding) {
  const { environment, name, version } = api;
  return {
    org,
    appId,
    appName,
    api: { environment, name, version },
    basePath,
    resources: resources.map(({ method, path }) => ({ method, path })),
  };
}

async function forget(tx: Save["tx"], fabricId: string): Promise<void> {
  const known = await tx.selectFrom("fabric").select("org").where("fabric_id", "=", fabricId).executeTakeFirst();
  if (known) await nextEdition(tx, known.org);
  await tx.deleteFrom("binding").where("fabric_id", "=", fabricId).execute();
  await tx.deleteFrom("fabric").where("fabric_id", "=", fabricId).execute();
}
