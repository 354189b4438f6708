import { sql, type Store } from "@drawbridge/store";
import { documentBinding, type Sealer } from "../crypto/sealer.ts";
import { rootOf, type Root } from "../tree/objects.ts";
import type { ApiManagerDatabase } from "./database.ts";
import { issuedAtIn } from "./incarnation.ts";

export interface ConfigurationReader {
  /** The current root; undefined for a fabric that nothing was published for. */
  root(fabricId: string): Promise<Root | undefined>;
  /**
   * Objects of the fabric's trees that may still be fetched, in the order of the digests, as many as fit; undefined if any of
   * the digests is in none of them.
   */
  objects(fabricId: string, digests: readonly Buffer[], atMostBytes: number): Promise<readonly Buffer[] | undefined>;
}

interface ObjectRow {
  readonly digest: Buffer;
  readonly size: string;
  /** Empty for an index page. */
  readonly api_id: string | null;
  readonly kind: "index" | "document" | "contracts" | "asset";
}

export function createConfigurationReader(
  store: Pick<Store<ApiManagerDatabase>, "db">,
  sealer: Sealer,
): ConfigurationReader {
  const { db } = store;

  /** What of these digests is in a tree of the fabric: an index page of its own, or part of an API that was in the tree then. */
  async function find(fabricId: string, digests: readonly Buffer[]): Promise<ReadonlyMap<string, ObjectRow>> {
    const { rows } = await sql<ObjectRow>`
      SELECT digest, length(bytes) AS size, NULL AS api_id, 'index' AS kind FROM fabric_object AS object
      WHERE object.fabric_id = ${fabricId} AND digest = ANY(${digests}::bytea[]) AND EXISTS (
        SELECT FROM tree WHERE tree.fabric_id = object.fabric_id AND tree.edition >= object.entered_edition
          AND (object.left_edition IS NULL OR tree.edition < object.left_edition))
      UNION ALL
      SELECT object.digest, length(coalesce(asset.bytes, object.bytes)) AS size, object.api_id, kind
      FROM api_object AS object JOIN fabric_api AS member ON member.api_id = object.api_id
        LEFT JOIN asset ON kind = 'asset' AND asset.org = object.org AND asset.digest = object.digest
      WHERE member.fabric_id = ${fabricId} AND object.digest = ANY(${digests}::bytea[]) AND EXISTS (
        SELECT FROM tree WHERE tree.fabric_id = member.fabric_id AND tree.edition >= object.entered_edition
          AND (object.left_edition IS NULL OR tree.edition < object.left_edition)
          AND tree.edition >= member.entered_edition
          AND (member.left_edition IS NULL OR tree.edition < member.left_edition))
    `.execute(db);
    return new Map(rows.map((row) => [row.digest.toString("hex"), row]));
  }

  async function read(fabricId: string, rows: readonly ObjectRow[]): Promise<ReadonlyMap<string, Buffer>> {
    const ofIndex = rows.filter(({ kind }) => kind === "index");
    const ofApis = rows.filter(({ kind }) => kind !== "index");
    const result = await sql<{
      digest: Buffer;
      bytes: Buffer;
      api_id: string | null;
      kek_id: string;
    }>`
      SELECT digest, bytes, NULL AS api_id, '' AS kek_id FROM fabric_object
      WHERE fabric_id = ${fabricId} AND digest = ANY(${ofIndex.map(({ digest }) => digest)}::bytea[])
      UNION ALL
      SELECT object.digest, coalesce(asset.bytes, object.bytes) AS bytes, object.api_id, kek_id
      FROM unnest(${ofApis.map((row) => row.api_id)}::uuid[], ${ofApis.map(({ digest }) => digest)}::bytea[])
        AS wanted (api_id, digest)
        JOIN api_object AS object ON object.api_id = wanted.api_id AND object.digest = wanted.digest
        LEFT JOIN asset ON kind = 'asset' AND asset.org = object.org AND asset.digest = object.digest
    `.execute(db);
    return new Map(
      result.rows.map(({ digest, bytes, api_id: apiId, kek_id: kekId }) => [
        digest.toString("hex"),
        apiId === null || kekId === "" ? bytes : sealer.open({ kekId, bytes }, documentBinding(apiId, digest)),
      ]),
    );
  }

  return {
    root: async (fabricId) => {
      const row = await db
        .selectFrom("fabric")
        .innerJoin("incarnation", (join) => join.onTrue())
        .select(["incarnation_id", "incarnation.created_at", "revision", "issued_at", "index_pages"])
        .where("fabric_id", "=", fabricId)
        .executeTakeFirst();
      return (
        row &&
        rootOf({
          fabricId,
          incarnationId: row.incarnation_id,
          revision: BigInt(row.revision),
          issuedAt: issuedAtIn({ createdAt: row.created_at }, row.issued_at),
          indexPages: row.index_pages,
        })
      );
    },
    objects: async (fabricId, digests, atMostBytes) => {
      const found = await find(fabricId, digests);
      const rows = digests.flatMap((digest) => found.get(digest.toString("hex")) ?? []);
      if (rows.length < digests.length) return undefined;
      let room = atMostBytes;
      const fitting = rows.filter(({ size }, place) => (room -= Number(size)) >= 0 || place === 0);
      const bytes = await read(fabricId, fitting);
      const objects = fitting.flatMap(({ digest }) => bytes.get(digest.toString("hex")) ?? []);
      // What was removed in between is as good as unknown.
      return objects.length === fitting.length ? objects : undefined;
    },
  };
}
