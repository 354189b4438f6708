import { sql, type Store } from "@drawbridge/store";
import type { ApiManagerDatabase } from "./database.ts";
import { forgetOldCaptures } from "./captures.ts";
import { forgetOldRoutes } from "./observed-routes.ts";

/** A gateway that fetches a tree while others follow it quickly still gets all of it. */
const treeLifeMs = 60_000;
/** No client repeats a request for longer. */
const requestLifeMs = 86_400_000;
/** A module that no policy refers to yet may belong to a save under way. */
const assetGraceMs = 86_400_000;

/**
 * Remove what no tree that may still be fetched holds: those are the current one of each fabric, the one before, and those of
 * the last minute.
 */
export async function collectGarbage(store: Pick<Store<ApiManagerDatabase>, "db">, now: Date): Promise<void> {
  const { db } = store;
  const ago = (ms: number): Date => new Date(now.getTime() - ms);
  await sql`
    DELETE FROM tree USING fabric
    WHERE tree.fabric_id = fabric.fabric_id AND tree.revision < fabric.revision - 1 AND superseded_at < ${ago(treeLifeMs)}
  `.execute(db);
  const isInTree = (object: "fabric_object" | "fabric_api") => sql`
    SELECT FROM tree WHERE tree.fabric_id = ${sql.table(object)}.fabric_id
      AND tree.edition >= entered_edition AND tree.edition < left_edition
  `;
  await sql`
    DELETE FROM fabric_object WHERE left_edition IS NOT NULL AND NOT EXISTS (${isInTree("fabric_object")})
  `.execute(db);
  await sql`
    DELETE FROM api_object WHERE left_edition IS NOT NULL AND NOT EXISTS (
      SELECT FROM fabric_api AS member JOIN tree ON tree.fabric_id = member.fabric_id
      WHERE member.api_id = api_object.api_id AND tree.edition >= member.entered_edition
        AND (member.left_edition IS NULL OR tree.edition < member.left_edition)
        AND tree.edition >= api_object.entered_edition AND tree.edition < api_object.left_edition)
  `.execute(db);
  await sql`
    DELETE FROM fabric_api WHERE left_edition IS NOT NULL AND NOT EXISTS (${isInTree("fabric_api")})
  `.execute(db);
  await sql`
    DELETE FROM asset WHERE created_at < ${ago(assetGraceMs)}
      AND NOT EXISTS (SELECT FROM policy WHERE policy.org = asset.org AND asset.digest = ANY(policy.assets))
      AND NOT EXISTS (SELECT FROM api_object WHERE api_object.digest = asset.digest AND api_object.org = asset.org)
  `.execute(db);
  await forgetOldRoutes(db, now);
  await forgetOldCaptures(db, now);
  await sql`DELETE FROM request WHERE created_at < ${ago(requestLifeMs)}`.execute(db);
}
