import { Capture } from "@drawbridge/contracts/apis/v1/capture";
import {
  ApiDocument,
  ContractPage,
  type Contract,
  type Policy,
  type SlaTier,
} from "@drawbridge/contracts/apis/v1/configuration";
import { sql } from "@drawbridge/store";
import type { ApiKey } from "../domain/api-key.ts";
import { analyticsTold, type ApiAnalyticsName, defaultAnalytics } from "../domain/analytics-setting.ts";
import { keysOfPage, pageCount, pageKey, pageOfKey } from "../domain/page.ts";
import { documentBinding, type Sealer } from "../crypto/sealer.ts";
import { analyticsToProto } from "../tree/analytics.ts";
import { contractPageObject, documentObject, type TreeObject } from "../tree/objects.ts";
import { type AnalyticsColumns, settingOf } from "./analytics-settings.ts";
import { readContracts } from "./read-contracts.ts";
import { readPoliciesOf, readTiersOf } from "./read-document-parts.ts";
import type { Save } from "./save.ts";

/** What of an API's document has changed. */
export interface DocumentChange {
  hasNewPolicies: boolean;
  readonly clientIds: Set<string>;
}

type Scene = Pick<Save, "tx" | "org" | "edition" | "now">;

interface DocumentRow {
  readonly api_id: string;
  readonly environment: string;
  readonly name: string;
  readonly version: string;
  readonly revision: string;
  readonly observe_routes: boolean;
  readonly route_words: readonly string[];
  readonly analytics: ApiAnalyticsName;
  /** Of its environment; null: nobody set any. */
  readonly analytics_setting: AnalyticsColumns | null;
  /** Orders of captures that run, oldest first. */
  readonly captures: readonly Buffer[];
  readonly document_digest: Buffer;
  readonly bytes: Buffer | null;
  readonly kek_id: string | null;
}

interface Written {
  readonly row: DocumentRow;
  readonly document: ApiDocument;
  readonly object: TreeObject;
  /** Pages that were not there before. */
  readonly pages: readonly TreeObject[];
  /** Digests, hex, that the document does not name any more; its own among them. */
  readonly left: ReadonlySet<string>;
}

const apisAtOnce = 100;

/**
 * Write the documents of these APIs anew, from what is in the tables: the pages on which a contract changed, policies and
 * tiers where they changed, the rest as it was. Answers with the keys of those whose document is another one now.
 */
export async function rewriteDocuments(
  scene: Scene,
  sealer: Sealer,
  changes: ReadonlyMap<string, DocumentChange>,
): Promise<readonly ApiKey[]> {
  const ids = [...changes.keys()].toSorted();
  const keys: ApiKey[] = [];
  for (let start = 0; start < ids.length; start += apisAtOnce) {
    const some = ids.slice(start, start + apisAtOnce);
    const rows = await readDocuments(scene, some);
    const withPolicies = rows.filter(({ api_id: id }) => changes.get(id)?.hasNewPolicies);
    const policies = await readPoliciesOf(scene, sealer, withPolicies);
    const tiers = await readTiersOf(
      scene.tx,
      withPolicies.map(({ api_id: id }) => id),
    );
    const written: Written[] = [];
    for (const row of rows) {
      const change = changes.get(row.api_id);
      if (!change) continue;
      const parts = change.hasNewPolicies
        ? { policies: policies.get(row.api_id) ?? [], tiers: tiers.get(row.api_id) ?? [] }
        : undefined;
      const result = await rewriteDocument(scene, sealer, row, change, parts);
      if (Buffer.compare(result.object.digest, row.document_digest) !== 0) written.push(result);
    }
    await storeDocuments(scene, sealer, written);
    keys.push(...written.map(({ row: { environment, name, version } }) => ({ environment, name, version })));
  }
  return keys;
}

async function readDocuments({ tx, now }: Scene, apiIds: readonly string[]): Promise<readonly DocumentRow[]> {
  const { rows } = await sql<DocumentRow>`
    SELECT api.api_id, environment, name, version, revision, observe_routes, route_words, analytics, document_digest, bytes,
      kek_id, (SELECT to_jsonb(analytics_setting) FROM analytics_setting WHERE analytics_setting.org = api.org
        AND analytics_setting.environment = api.environment) AS analytics_setting,
      ARRAY(SELECT settings FROM capture WHERE capture.api_id = api.api_id AND state = 'running' AND ends_at > ${now}
        ORDER BY capture_id) AS captures
    FROM api LEFT JOIN api_object AS object ON object.api_id = api.api_id AND object.digest = api.document_digest
    WHERE api.api_id = ANY(${apiIds}::uuid[]) ORDER BY api.api_id
  `.execute(tx);
  return rows;
}

async function rewriteDocument(
  scene: Scene,
  sealer: Sealer,
  row: DocumentRow,
  change: DocumentChange,
  parts: { readonly policies: Policy[]; readonly tiers: SlaTier[] } | undefined,
): Promise<Written> {
  const before = documentOf(sealer, row);
  const { pages, digests, count } = await rewritePages(scene, row.api_id, before, change.clientIds);
  const setting = row.analytics_setting ? settingOf(row.analytics_setting) : defaultAnalytics;
  const told = analyticsTold(setting, row.analytics);
  const document: ApiDocument = {
    ...before,
    ...parts,
    // The first document is revision 1.
    revision: parts && row.bytes ? before.revision + 1n : before.revision,
    contractPages: digests.map((digest) => Buffer.from(digest)),
    contractCount: count,
    observeRoutes: row.observe_routes ? { words: [...row.route_words] } : undefined,
    analytics: told && analyticsToProto(told),
    captures: row.captures.map((order) => Capture.decode(order)),
  };
  const object = documentObject(document);
  const named = namedBy(document);
  const left = new Set([...namedBy(before), hex(row.document_digest)].filter((digest) => !named.has(digest)));
  return { row, document, object, pages, left };
}

/** The document as it is, or the first one of a new API. */
function documentOf(sealer: Sealer, row: DocumentRow): ApiDocument {
  const { api_id: apiId, name, version, environment, bytes, kek_id: kekId, document_digest: digest } = row;
  if (bytes !== null && kekId !== null) {
    return ApiDocument.decode(sealer.open({ kekId, bytes }, documentBinding(apiId, digest)));
  }
  const revision = BigInt(row.revision);
  const nothing = {
    policies: [],
    tiers: [],
    contractPages: [],
    contractCount: 0,
    observeRoutes: undefined,
    analytics: undefined,
    captures: [],
  };
  return { apiId, name, version, environment, revision, ...nothing };
}

/** Pages of the clients are read from the tables; another number of pages than before means all of them. */
async function rewritePages(
  scene: Scene,
  apiId: string,
  before: ApiDocument,
  clientIds: ReadonlySet<string>,
): Promise<{ readonly pages: readonly TreeObject[]; readonly digests: readonly Buffer[]; readonly count: number }> {
  const digests: Buffer[] = before.contractPages.map((digest) => Buffer.from(digest));
  const unchanged = { pages: [], digests, count: before.contractCount };
  if (clientIds.size === 0) return unchanged;
  if (digests.length > 0) {
    const places = new Set([...clientIds].map((clientId) => pageOfKey(pageKey(clientId), digests.length)));
    const fresh = new Map<number, readonly Contract[]>();
    for (const place of places) {
      fresh.set(place, await readContracts(scene, apiId, keysOfPage(place, digests.length)));
    }
    const entriesBefore = await countEntries(
      scene,
      apiId,
      [...places].map((place) => digests[place]),
    );
    const entries = [...fresh.values()].reduce((sum, contracts) => sum + contracts.length, 0);
    const count = before.contractCount - entriesBefore + entries;
    if (pageCount(count, digests.length) === digests.length) {
      const pages = [...fresh].map(([place, contracts]) => ({ place, object: contractPageObject(contracts) }));
      for (const { place, object } of pages) digests[place] = object.digest;
      return { pages: pages.map(({ object }) => object), digests, count };
    }
  }
  return rewriteAllPages(await readContracts(scene, apiId, undefined), digests.length);
}

function rewriteAllPages(contracts: readonly Contract[], before: number) {
  const pages = pageCount(contracts.length, before);
  const byPage = Array.from({ length: pages }, (): Contract[] => []);
  for (const contract of contracts) byPage[pageOfKey(pageKey(contract.clientId), pages)]?.push(contract);
  const objects = byPage.map((some) => contractPageObject(some));
  return { pages: objects, digests: objects.map(({ digest }) => digest), count: contracts.length };
}

/** How many contracts are on pages as they were stored. */
async function countEntries({ tx }: Scene, apiId: string, digests: readonly (Buffer | undefined)[]): Promise<number> {
  const wanted = digests.filter((digest) => digest !== undefined);
  const rows = await tx
    .selectFrom("api_object")
    .select(["digest", "bytes"])
    .where("api_id", "=", apiId)
    .where("digest", "=", sql<Buffer>`ANY(${wanted}::bytea[])`)
    .execute();
  const counts = new Map(rows.map((row) => [hex(row.digest), ContractPage.decode(row.bytes).contracts.length]));
  // Two empty pages are one object.
  return wanted.reduce((sum, digest) => sum + (counts.get(hex(digest)) ?? 0), 0);
}

async function storeDocuments({ tx, org, edition }: Scene, sealer: Sealer, written: readonly Written[]): Promise<void> {
  if (written.length === 0) return;
  const left = written.flatMap(({ row, left: digests }) =>
    [...digests].map((digest) => ({ apiId: row.api_id, digest })),
  );
  await sql`
    UPDATE api_object SET left_edition = ${edition}
    FROM unnest(${left.map(({ apiId }) => apiId)}::uuid[], ${left.map(({ digest }) => Buffer.from(digest, "hex"))}::bytea[])
      AS gone (api_id, digest)
    WHERE api_object.api_id = gone.api_id AND api_object.digest = gone.digest AND left_edition IS NULL
  `.execute(tx);
  const objects = written.flatMap(({ row: { api_id: apiId }, object, pages, document }) => {
    const sealed = sealer.seal(object.bytes, documentBinding(apiId, object.digest));
    const assets = new Map(document.policies.flatMap((policy) => policy.assets.map((asset) => [hex(asset), asset])));
    return [
      { apiId, kind: "document", digest: object.digest, ...sealed },
      ...distinct(pages).map(({ digest, bytes }) => ({ apiId, kind: "contracts", digest, bytes, kekId: "" })),
      ...[...assets.values()].map((asset) => {
        return { apiId, kind: "asset", digest: Buffer.from(asset), bytes: Buffer.alloc(0), kekId: "" };
      }),
    ];
  });
  await sql`
    INSERT INTO api_object (api_id, digest, org, kind, bytes, kek_id, entered_edition)
    SELECT api_id, digest, ${org}, kind, bytes, kek_id, ${edition}::bigint FROM unnest(
      ${objects.map(({ apiId }) => apiId)}::uuid[], ${objects.map(({ digest }) => digest)}::bytea[],
      ${objects.map(({ kind }) => kind)}::text[], ${objects.map(({ bytes }) => bytes)}::bytea[],
      ${objects.map(({ kekId }) => kekId)}::text[]
    ) AS object (api_id, digest, kind, bytes, kek_id)
    ON CONFLICT (api_id, digest) DO UPDATE SET left_edition = NULL
  `.execute(tx);
  await sql`
    UPDATE api SET document_digest = fresh.digest, revision = fresh.revision, contract_count = fresh.contracts
    FROM unnest(
      ${written.map(({ row }) => row.api_id)}::uuid[], ${written.map(({ object }) => object.digest)}::bytea[],
      ${written.map(({ document }) => String(document.revision))}::bigint[],
      ${written.map(({ document }) => document.contractCount)}::integer[]
    ) AS fresh (api_id, digest, revision, contracts)
    WHERE api.api_id = fresh.api_id
  `.execute(tx);
}

function distinct(objects: readonly TreeObject[]): readonly TreeObject[] {
  return [...new Map(objects.map((object) => [hex(object.digest), object])).values()];
}

function namedBy(document: ApiDocument): ReadonlySet<string> {
  const assets = document.policies.flatMap((policy) => policy.assets);
  return new Set([...document.contractPages, ...assets].map(hex));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
