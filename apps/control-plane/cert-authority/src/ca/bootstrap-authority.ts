import type { Clock, IdSource } from "@drawbridge/lifecycle";
import type { KeyEncryptionKeys } from "@drawbridge/pki";
import { enqueueEvent, type Store } from "@drawbridge/store";
import { insertTrustBundle, lockAuthority, readAuthorityVersion } from "../store/ca-key-repository.ts";
import type { CertAuthorityDb } from "../store/schema.ts";
import { makeIssuing, makeRoot } from "./make-ca.ts";

export interface BootstrapAuthorityOptions {
  readonly store: Pick<Store<CertAuthorityDb>, "transaction">;
  readonly keks: KeyEncryptionKeys;
  readonly trustDomain: string;
  readonly issuingTtlSeconds: number;
  readonly clock: Pick<Clock, "now">;
  readonly ids: IdSource;
}

/** Make root and issuing CA if there are none: all or nothing, and once, however many bootstraps run at the same time. */
export async function bootstrapAuthority(options: BootstrapAuthorityOptions): Promise<"created" | "found"> {
  return options.store.transaction(async (tx) => {
    await lockAuthority(tx);
    if ((await readAuthorityVersion(tx)) !== undefined) return "found";
    const { trustDomain, keks, ids } = options;
    const now = options.clock.now();
    const make = { keks, trustDomain, now, ids, state: "active" } as const;
    const root = await makeRoot(tx, make);
    await makeIssuing(tx, { ...make, root, ttlSeconds: options.issuingTtlSeconds });
    await insertTrustBundle(tx, { trustDomain, sequence: 1n });
    await enqueueEvent(
      tx,
      { type: "certs.bundle.changed.v1", scope: "control-plane", occurredAt: now, payload: { sequence: 1n } },
      ids,
    );
    return "created";
  });
}
