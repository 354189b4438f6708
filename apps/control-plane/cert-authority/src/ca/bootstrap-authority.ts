import type { Clock, IdSource } from "@drawbridge/lifecycle";
import { createIssuingCertificate, createRootCertificate, generateKeyPair } from "@drawbridge/pki";
import { enqueueEvent, type Store } from "@drawbridge/store";
import {
  insertCaKey,
  insertTrustBundle,
  lockBootstrap,
  readAuthority,
  type StoredAuthority,
} from "../store/ca-key-repository.ts";
import type { CertAuthorityDb } from "../store/schema.ts";
import type { KeyEncryptionKey } from "./sealed-key.ts";

export interface BootstrapAuthorityOptions {
  readonly store: Pick<Store<CertAuthorityDb>, "transaction">;
  readonly kek: KeyEncryptionKey;
  readonly trustDomain: string;
  readonly clock: Pick<Clock, "now">;
  readonly ids: IdSource;
}

export type BootstrapOutcome = {
  readonly outcome: "created" | "found";
  readonly authority: StoredAuthority;
};

/**
 * Make root and issuing CA if there are none: all or nothing, and once, however many bootstraps run at the same time.
 * @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` (failed_precondition) when the CA is there and sealed with another key
 */
export async function bootstrapAuthority(options: BootstrapAuthorityOptions): Promise<BootstrapOutcome> {
  return options.store.transaction(async (tx): Promise<BootstrapOutcome> => {
    await lockBootstrap(tx);
    const found = await readAuthority(tx, options.kek);
    if (found) return { outcome: "found", authority: found };

    const { trustDomain, kek, ids } = options;
    const now = options.clock.now();
    const rootKey = await generateKeyPair();
    const rootDer = await createRootCertificate({ keyPair: rootKey, trustDomain, now });
    const issuingKey = await generateKeyPair();
    const issuingDer = await createIssuingCertificate({
      spkiDer: issuingKey.spkiDer,
      root: { certificateDer: rootDer, privateKey: rootKey.privateKey },
      trustDomain,
      now,
    });
    const common = { kek, createdAt: now };
    await insertCaKey(tx, { ...common, id: ids.next(), kind: "root", certificateDer: rootDer, keyPair: rootKey });
    await insertCaKey(tx, {
      ...common,
      id: ids.next(),
      kind: "issuing",
      certificateDer: issuingDer,
      keyPair: issuingKey,
    });
    await insertTrustBundle(tx, { trustDomain, sequence: 1n });
    await enqueueEvent(
      tx,
      { type: "certs.bundle.changed.v1", scope: "control-plane", occurredAt: now, payload: { sequence: 1n } },
      ids,
    );
    const authority = await readAuthority(tx, kek);
    if (!authority) throw new Error("the CA that was just stored cannot be read");
    return { outcome: "created", authority };
  });
}
