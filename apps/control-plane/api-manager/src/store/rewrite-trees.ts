import { enqueueEvents, sql } from "@drawbridge/store";
import type { ApiKey } from "../domain/api-key.ts";
import { apiPageText, keysOfPage, pageCount, pageKey, pageOfKey } from "../domain/page.ts";
import { configurationPublished } from "../events/configuration-published.ts";
import { indexPageObject, rootOf, type TreeObject } from "../tree/objects.ts";
import { issuedAtIn, readIncarnation } from "./incarnation.ts";
import type { Save } from "./save.ts";

type Scene = Pick<Save, "tx" | "org" | "edition" | "now">;

/** Rewrite the trees of all fabrics that are bound to these APIs. "others": an API came or went, it is not just another document. */
export async function rewriteTrees(scene: Scene, keys: readonly ApiKey[], apis: "the same" | "others"): Promise<void> {
  if (keys.length === 0) return;
  const { rows } = await sql<{ fabric_id: string; environment: string; name: string; version: string }>`
    SELECT DISTINCT fabric_id, key.environment, key.name, key.version FROM binding JOIN unnest(
      ${keys.map((key) => key.environment)}::text[], ${keys.map((key) => key.name)}::text[],
      ${keys.map((key) => key.version)}::text[]
    ) AS key (environment, name, version)
      ON binding.environment = key.environment AND api_name = key.name AND api_version = key.version
    WHERE binding.org = ${scene.org} ORDER BY fabric_id
  `.execute(scene.tx);
  for (const [fabricId, changed] of Map.groupBy(rows, (row) => row.fabric_id)) {
    await rewriteTree(scene, fabricId, { keys: changed, apis });
  }
}

export interface TreeChange {
  /** APIs whose entries have changed; "all": the bindings have. */
  readonly keys: readonly ApiKey[] | "all";
  readonly apis: "the same" | "others";
}

/**
 * Write the pages of a fabric's index on which an entry changed, and make the next revision if any page is another one now.
 * The fabric's row is locked: its revisions come one after the other, each made from the one before.
 */
export async function rewriteTree(scene: Scene, fabricId: string, change: TreeChange): Promise<void> {
  const { tx, edition, now } = scene;
  const before = await tx
    .selectFrom("fabric")
    .select(["revision", "index_pages"])
    .where("fabric_id", "=", fabricId)
    .forUpdate()
    .executeTakeFirst();
  const old = before?.index_pages ?? [];
  const pages = await (change.keys === "all" || !before
    ? allPages(scene, fabricId, old.length)
    : somePages(scene, fabricId, change.keys, old));
  const digests = pages.map((page) => ("bytes" in page ? page.digest : page));
  const isSame = digests.length === old.length && digests.every((digest, place) => old[place]?.equals(digest));
  if (before && isSame) return;
  const revision = BigInt(before?.revision ?? 0) + 1n;
  await sql`
    INSERT INTO fabric (fabric_id, org, revision, edition, issued_at, index_pages)
    VALUES (${fabricId}, ${scene.org}, ${revision}, ${edition}, ${now}, ${digests}::bytea[])
    ON CONFLICT (fabric_id) DO UPDATE
    SET org = excluded.org, revision = excluded.revision, edition = excluded.edition, issued_at = excluded.issued_at,
      index_pages = excluded.index_pages
  `.execute(tx);
  await storePages(
    scene,
    fabricId,
    pages.filter((page) => "bytes" in page),
    digests,
  );
  await sql`UPDATE tree SET superseded_at = ${now} WHERE fabric_id = ${fabricId} AND superseded_at IS NULL`.execute(tx);
  await tx.insertInto("tree").values({ fabric_id: fabricId, revision, edition }).execute();
  if (change.apis === "others" || change.keys === "all") await noteApis(scene, fabricId);
  const incarnation = await readIncarnation(tx);
  const { incarnationId } = incarnation;
  const issuedAt = issuedAtIn(incarnation, now);
  const root = rootOf({ fabricId, incarnationId, revision, issuedAt, indexPages: digests });
  await enqueueEvents(tx, [configurationPublished({ fabricId, root, at: now })]);
}

interface EntryRow {
  readonly environment: string;
  readonly api_name: string;
  readonly api_version: string;
  readonly page_key: string;
  readonly document_digest: Buffer | null;
}

async function readEntries(
  { tx }: Scene,
  fabricId: string,
  keys: { readonly first: number; readonly last: number } | undefined,
): Promise<readonly EntryRow[]> {
  const range = keys ? sql`AND page_key BETWEEN ${keys.first} AND ${keys.last}` : sql``;
  const { rows } = await sql<EntryRow>`
    SELECT DISTINCT binding.environment, api_name, api_version, page_key, document_digest
    FROM binding LEFT JOIN api ON api.org = binding.org AND api.environment = binding.environment
      AND api.name = api_name AND api.version = api_version
    WHERE fabric_id = ${fabricId} ${range}
  `.execute(tx);
  return rows;
}

function pageOf(rows: readonly EntryRow[]): TreeObject {
  return indexPageObject(
    rows.map((row) => ({
      environment: row.environment,
      name: row.api_name,
      version: row.api_version,
      document: row.document_digest ?? Buffer.alloc(0),
    })),
  );
}

async function allPages(scene: Scene, fabricId: string, before: number): Promise<readonly TreeObject[]> {
  const rows = await readEntries(scene, fabricId, undefined);
  const pages = pageCount(rows.length, before);
  const byPage = Map.groupBy(rows, (row) => pageOfKey(Number(row.page_key), pages));
  return Array.from({ length: pages }, (_, place) => pageOf(byPage.get(place) ?? []));
}

/** The other pages stay as they are, by digest. */
async function somePages(
  scene: Scene,
  fabricId: string,
  keys: readonly ApiKey[],
  old: readonly Buffer[],
): Promise<readonly (TreeObject | Buffer)[]> {
  const pages: (TreeObject | Buffer)[] = [...old];
  const places = new Set(keys.map((key) => pageOfKey(pageKey(apiPageText(key)), old.length)));
  for (const place of places) pages[place] = pageOf(await readEntries(scene, fabricId, keysOfPage(place, old.length)));
  return pages;
}

async function storePages(
  { tx, edition }: Scene,
  fabricId: string,
  fresh: readonly TreeObject[],
  digests: readonly Buffer[],
): Promise<void> {
  const objects = [...new Map(fresh.map((object) => [object.digest.toString("hex"), object])).values()];
  await sql`
    UPDATE fabric_object SET left_edition = ${edition}
    WHERE fabric_id = ${fabricId} AND left_edition IS NULL AND digest <> ALL(${digests}::bytea[])
  `.execute(tx);
  await sql`
    INSERT INTO fabric_object (fabric_id, digest, bytes, entered_edition)
    SELECT ${fabricId}::uuid, digest, bytes, ${edition}::bigint FROM unnest(
      ${objects.map(({ digest }) => digest)}::bytea[], ${objects.map(({ bytes }) => bytes)}::bytea[]
    ) AS object (digest, bytes)
    ON CONFLICT (fabric_id, digest) DO UPDATE SET left_edition = NULL
  `.execute(tx);
}

/** Which APIs are in the fabric's tree from this edition on. */
async function noteApis({ tx, edition }: Scene, fabricId: string): Promise<void> {
  const bound = sql`
    SELECT DISTINCT api_id FROM binding JOIN api ON api.org = binding.org AND api.environment = binding.environment
      AND api.name = api_name AND api.version = api_version
    WHERE fabric_id = ${fabricId}
  `;
  await sql`
    UPDATE fabric_api SET left_edition = ${edition}
    WHERE fabric_id = ${fabricId} AND left_edition IS NULL AND api_id NOT IN (${bound})
  `.execute(tx);
  await sql`
    INSERT INTO fabric_api (fabric_id, api_id, entered_edition)
    SELECT ${fabricId}::uuid, api_id, ${edition}::bigint FROM (${bound}) AS bound
    ON CONFLICT (fabric_id, api_id) DO UPDATE SET left_edition = NULL
  `.execute(tx);
}
