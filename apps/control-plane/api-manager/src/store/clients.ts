import { DrawbridgeError, isDrawbridgeError } from "@drawbridge/errors";
import { sql, type Store } from "@drawbridge/store";
import type { ApiManagerDatabase } from "./database.ts";
import type { Save } from "./save.ts";

export interface ClientView {
  readonly clientId: string;
  readonly name: string;
  readonly description: string;
  /** Valid at the time of reading, newest first. */
  readonly secrets: readonly SecretView[];
  /** In force. */
  readonly contracts: number;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly revokedAt: Date | undefined;
}

export interface SecretView {
  readonly secretId: string;
  readonly createdAt: Date;
  readonly notAfter: Date | undefined;
}

type Reader = Pick<Store<ApiManagerDatabase>, "db">["db"];

/** By id, or by name: of several that had the name, the one that is not revoked. @throws DrawbridgeError `CLIENT_NOT_FOUND` (not_found) */
export async function getClient(db: Reader, org: string, idOrName: string, now: Date): Promise<ClientView> {
  const [client] = await readClients(
    db,
    sql`org = ${org} AND (client_id = ${idOrName} OR name = ${idOrName})
      ORDER BY client_id = ${idOrName} DESC, revoked_at IS NULL DESC, created_at DESC LIMIT 1`,
    now,
  );
  if (client) return client;
  throw new DrawbridgeError({
    kind: "not_found",
    code: "CLIENT_NOT_FOUND",
    message: "there is no client application with this id or name",
  });
}

export async function listClients(
  db: Reader,
  asked: {
    readonly org: string;
    readonly withRevoked: boolean;
    readonly after: { readonly name: string; readonly clientId: string } | undefined;
    readonly limit: number;
    readonly now: Date;
  },
): Promise<readonly ClientView[]> {
  const { org, withRevoked, after, limit, now } = asked;
  return readClients(
    db,
    sql`org = ${org} AND (${withRevoked} OR revoked_at IS NULL)
      ${after ? sql`AND (name, client_id) > (${after.name}, ${after.clientId})` : sql``}
      ORDER BY name, client_id LIMIT ${limit}`,
    now,
  );
}

async function readClients(db: Reader, where: ReturnType<typeof sql>, now: Date): Promise<readonly ClientView[]> {
  const { rows } = await sql<{
    client_id: string;
    name: string;
    description: string;
    created_at: Date;
    created_by: string;
    revoked_at: Date | null;
    contracts: string;
    secrets: readonly { secretId: string; createdAt: string; notAfter: string | null }[] | null;
  }>`
    SELECT page.*,
      (SELECT count(*) FROM contract WHERE contract.client_id = page.client_id AND state = 'approved') AS contracts,
      (SELECT jsonb_agg(jsonb_build_object('secretId', secret_id, 'createdAt', created_at, 'notAfter', not_after)
          ORDER BY created_at DESC, secret_id)
        FROM client_secret WHERE client_secret.client_id = page.client_id AND (not_after IS NULL OR not_after > ${now})
      ) AS secrets
    FROM (SELECT * FROM client WHERE ${where}) AS page ORDER BY page.name, page.client_id
  `.execute(db);
  return rows.map((row) => ({
    clientId: row.client_id,
    name: row.name,
    description: row.description,
    secrets: (row.secrets ?? []).map(({ secretId, createdAt, notAfter }) => ({
      secretId,
      createdAt: new Date(createdAt),
      notAfter: notAfter === null ? undefined : new Date(notAfter),
    })),
    contracts: Number(row.contracts),
    createdAt: row.created_at,
    createdBy: row.created_by,
    revokedAt: row.revoked_at ?? undefined,
  }));
}

/** @throws DrawbridgeError `CLIENT_ALREADY_EXISTS` (already_exists) */
export async function insertClient(
  { tx, org, now, requestedBy }: Save,
  client: { readonly clientId: string; readonly name: string; readonly description: string },
): Promise<void> {
  try {
    await tx
      .insertInto("client")
      .values({
        client_id: client.clientId,
        org,
        name: client.name,
        description: client.description,
        created_at: now,
        created_by: requestedBy,
        revoked_at: null,
      })
      .execute();
  } catch (error) {
    if (!isDrawbridgeError(error, "STORE_UNIQUE_VIOLATION")) throw error;
    throw new DrawbridgeError({
      kind: "already_exists",
      code: "CLIENT_ALREADY_EXISTS",
      message: "there is a client application of this name already; choose another name, or rotate its secret",
      cause: error,
    });
  }
}

export async function insertSecret(
  { tx, now }: Save,
  secret: { readonly secretId: string; readonly clientId: string; readonly sha256: Buffer },
): Promise<void> {
  await tx
    .insertInto("client_secret")
    .values({
      secret_id: secret.secretId,
      client_id: secret.clientId,
      sha256: secret.sha256,
      created_at: now,
      not_after: null,
    })
    .execute();
}

/** Let all secrets of a client end at `notAfter`, unless they end before. Those that have ended are forgotten. */
export async function endSecrets({ tx, now }: Save, clientId: string, notAfter: Date): Promise<void> {
  await sql`
    DELETE FROM client_secret WHERE client_id = ${clientId} AND (not_after <= ${now} OR ${notAfter}::timestamptz <= ${now})
  `.execute(tx);
  await sql`
    UPDATE client_secret SET not_after = ${notAfter}
    WHERE client_id = ${clientId} AND (not_after IS NULL OR not_after > ${notAfter})
  `.execute(tx);
}

/** The APIs of which the client's contract is in force have it on a page. */
export async function noteClientChanged({ tx, changed }: Save, clientId: string): Promise<void> {
  const rows = await tx
    .selectFrom("contract")
    .select("api_id")
    .where("client_id", "=", clientId)
    .where("state", "=", "approved")
    .execute();
  for (const row of rows) changed.contract(row.api_id, clientId);
}

/** With its secrets, requests and contracts. Answers how many contracts were in force. */
export async function revokeClient(save: Save, clientId: string): Promise<number> {
  const { tx, now, requestedBy } = save;
  await noteClientChanged(save, clientId);
  await tx.updateTable("client").set({ revoked_at: now }).where("client_id", "=", clientId).execute();
  await tx.deleteFrom("client_secret").where("client_id", "=", clientId).execute();
  const { rows } = await sql<{ was: string }>`
    UPDATE contract SET state = CASE before.state WHEN 'approved' THEN 'revoked' ELSE 'rejected' END,
      decided_at = ${now}, decided_by = ${requestedBy}, reason = 'the client application was revoked'
    FROM contract AS before
    WHERE contract.contract_id = before.contract_id AND contract.client_id = ${clientId}
      AND contract.state IN ('requested', 'approved')
    RETURNING before.state AS was
  `.execute(tx);
  return rows.filter(({ was }) => was === "approved").length;
}
