import { DrawbridgeError } from "@drawbridge/errors";
import type { KeyEncryptionKeys } from "@drawbridge/pki";
import type { Store } from "@drawbridge/store";
import { openKey, sealKey } from "../ca/sealed-key.ts";
import { lockAuthority } from "./ca-key-repository.ts";
import type { CertAuthorityDb } from "./schema.ts";

/**
 * Bring the private keys of all CAs under the current key encryption key, in one transaction beside running services:
 * each row says what it is under. All of them, or none. Returns how many; repeated, there are none left.
 * @throws DrawbridgeError `REWRAP_INCOMPLETE` (failed_precondition): some are under keys that are not given |
 * `CA_KEY_DAMAGED` (data_loss)
 */
export async function rewrapCaKeys(
  store: Pick<Store<CertAuthorityDb>, "transaction">,
  keks: KeyEncryptionKeys,
): Promise<number> {
  return store.transaction(async (tx) => {
    await lockAuthority(tx); // nobody makes a key or destroys one meanwhile
    const rows = await tx
      .selectFrom("ca_key")
      .select(["id", "sealed_private_key", "seal_key_id"])
      .where("sealed_private_key", "is not", null)
      .where("seal_key_id", "!=", keks.current.id)
      .orderBy("id")
      .execute();
    const given = new Set([keks.current, ...keks.previous].map(({ id }) => id));
    const foreign = rows.filter((row) => !given.has(row.seal_key_id));
    if (foreign.length > 0) throw incomplete(foreign.map((row) => row.seal_key_id));
    for (const { id, sealed_private_key: sealed, seal_key_id: sealKeyId } of rows) {
      if (sealed === null) continue; // asked for above
      const again = sealKey(openKey({ keks, keyId: id, sealed, sealKeyId }), { keks, keyId: id });
      await tx
        .updateTable("ca_key")
        .set({ sealed_private_key: again.sealed, seal_key_id: again.sealKeyId })
        .where("id", "=", id)
        .execute();
    }
    return rows.length;
  });
}

function incomplete(keyIds: readonly string[]): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "REWRAP_INCOMPLETE",
    message: `nothing was changed: CA keys are under key encryption keys that are not given: ${[...new Set(keyIds)].join(", ")}`,
  });
}
