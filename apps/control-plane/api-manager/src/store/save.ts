import { createHash } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import { sql, type Store, type Transaction } from "@drawbridge/store";
import type { ApiKey } from "../domain/api-key.ts";
import type { Sealer } from "../crypto/sealer.ts";
import type { ApiManagerDatabase } from "./database.ts";
import { rewriteDocuments, type DocumentChange } from "./rewrite-documents.ts";
import { rewriteTrees } from "./rewrite-trees.ts";

export interface SaveFacts {
  readonly org: string;
  readonly requestId: string;
  readonly requestedBy: string;
  readonly method: string;
  /** Of everything that the request says, so that a request_id cannot stand for two requests. */
  readonly requestBytes: Uint8Array;
  readonly now: Date;
}

/** A change under way. What it says through `changed` is published with it, in its transaction. */
export interface Save {
  readonly tx: Transaction<ApiManagerDatabase>;
  readonly org: string;
  readonly edition: bigint;
  readonly requestedBy: string;
  readonly now: Date;
  readonly changed: Changes;
}

export interface Changes {
  /** Policies or tiers of an API changed, or it is new. */
  policies(apiId: string): void;
  /** What a document says of its API besides policies, tiers and contracts changed. */
  facts(apiId: string): void;
  /** A contract of an API came, went or changed. */
  contract(apiId: string, clientId: string): void;
  /** An API came into being or went, or fabrics are bound to others. */
  api(key: ApiKey): void;
}

export interface Saves {
  /**
   * Run a change and remember its answer. Invariants: changes of an organisation come one after the other, for each counts up
   * the organisation's edition first; data, trees, events and answer are one transaction; a repeated request_id gets the
   * answer of the first, unless it told a secret.
   * @throws DrawbridgeError `REQUEST_ID_REUSED` (already_exists)
   */
  run(
    facts: SaveFacts,
    answer: "remembered" | "told once",
    work: (save: Save) => Promise<Uint8Array>,
  ): Promise<{ readonly outcome: "done" | "replayed"; readonly response: Uint8Array }>;
}

export function createSaves(deps: { readonly store: Store<ApiManagerDatabase>; readonly sealer: Sealer }): Saves {
  return {
    run: (facts, answer, work) =>
      deps.store.transaction(async (tx) => {
        const edition = await nextEdition(tx, facts.org);
        const sha256 = createHash("sha256").update(facts.method).update("\n").update(facts.requestBytes).digest();
        const earlier = await earlierAnswer(tx, facts, sha256);
        if (earlier) return { outcome: "replayed", response: earlier };
        const { requestedBy, org, now } = facts;
        const response = await publishing(deps.sealer, { tx, org, edition, requestedBy, now }, work);
        await tx
          .insertInto("request")
          .values({
            org,
            request_id: facts.requestId,
            method: facts.method,
            request_sha256: sha256,
            response: answer === "told once" ? null : Buffer.from(response),
            created_at: now,
          })
          .execute();
        return { outcome: "done", response };
      }),
  };
}

/** Lock the organisation and count up. */
export async function nextEdition(tx: Transaction<ApiManagerDatabase>, org: string): Promise<bigint> {
  const { rows } = await sql<{ edition: string }>`
    INSERT INTO organisation (org, edition) VALUES (${org}, 1)
    ON CONFLICT (org) DO UPDATE SET edition = organisation.edition + 1 RETURNING edition
  `.execute(tx);
  return BigInt(rows[0]?.edition ?? 0);
}

/** Run `work`, then write the documents and trees that it said have changed. */
export async function publishing<T>(
  sealer: Sealer,
  scene: Omit<Save, "changed">,
  work: (save: Save) => Promise<T>,
): Promise<T> {
  const documents = new Map<string, DocumentChange>();
  const keys = new Map<string, ApiKey>();
  let isMembershipChanged = false;
  const change = (apiId: string): DocumentChange => {
    const known = documents.get(apiId);
    if (known) return known;
    const fresh: DocumentChange = { hasNewPolicies: false, clientIds: new Set() };
    documents.set(apiId, fresh);
    return fresh;
  };
  const result = await work({
    ...scene,
    changed: {
      policies: (apiId) => void (change(apiId).hasNewPolicies = true),
      facts: (apiId) => void change(apiId),
      contract: (apiId, clientId) => void change(apiId).clientIds.add(clientId),
      api: (key) => {
        isMembershipChanged = true;
        keys.set(JSON.stringify(key), key);
      },
    },
  });
  for (const key of await rewriteDocuments(scene, sealer, documents)) keys.set(JSON.stringify(key), key);
  await rewriteTrees(scene, [...keys.values()], isMembershipChanged ? "others" : "the same");
  return result;
}

async function earlierAnswer(
  tx: Transaction<ApiManagerDatabase>,
  { org, requestId, method }: SaveFacts,
  sha256: Buffer,
): Promise<Buffer | undefined> {
  const row = await tx
    .selectFrom("request")
    .select(["method", "request_sha256", "response"])
    .where("org", "=", org)
    .where("request_id", "=", requestId)
    .executeTakeFirst();
  if (!row) return undefined;
  if (row.method !== method || Buffer.compare(row.request_sha256, sha256) !== 0) {
    throw reused("this request_id was used for another request; make a new one");
  }
  if (row.response === null) {
    throw reused(
      "this request was done, and its answer told a secret, which is told once; rotate the secret for a new one",
    );
  }
  return row.response;
}

function reused(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "already_exists", code: "REQUEST_ID_REUSED", message });
}
