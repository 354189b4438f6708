import { randomBytes } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock, Component } from "@drawbridge/lifecycle";
import type { KeyEncryptionKeys } from "@drawbridge/pki";
import type { Store } from "@drawbridge/store";
import { dataKeyBytes, unwrapKey, wrapKey } from "../crypto/wrapped-key.ts";
import type { ConfigResolverDatabase } from "./database.ts";

/** The key under which configurations are named; loaded at the start. */
export interface DigestKey extends Component {
  get(): Uint8Array;
}

/** Its row, and what it is bound to. */
export const digestKeyName = "configuration-digest";

/**
 * Made once, by whichever replica comes first, and kept wrapped beside what it names: the key encryption key can change and the
 * names stay. Opening it also shows at the start, not at the first request, that the key encryption key is the right one.
 */
export function createDigestKey(deps: {
  readonly store: Pick<Store<ConfigResolverDatabase>, "db">;
  readonly keks: KeyEncryptionKeys;
  readonly clock: Pick<Clock, "now">;
}): DigestKey {
  let key: Uint8Array | undefined;
  return {
    name: "digest key",
    get: () => {
      if (key !== undefined) return key;
      throw new DrawbridgeError({
        kind: "unavailable",
        code: "SERVICE_STARTING",
        message: "the service is starting; try again",
      });
    },
    start: async () => {
      const { db } = deps.store;
      const made = wrapKey(randomBytes(dataKeyBytes), { kek: deps.keks.current, boundTo: digestKeyName });
      await db
        .insertInto("service_key")
        .values({
          name: digestKeyName,
          kek_id: made.kekId,
          wrapped_key: Buffer.from(made.wrappedKey),
          created_at: deps.clock.now(),
        })
        .onConflict((conflict) => conflict.column("name").doNothing())
        .execute();
      const row = await db
        .selectFrom("service_key")
        .selectAll()
        .where("name", "=", digestKeyName)
        .executeTakeFirstOrThrow();
      key = unwrapKey({ kekId: row.kek_id, wrappedKey: row.wrapped_key }, { keks: deps.keks, boundTo: digestKeyName });
    },
    stop: () => Promise.resolve(),
  };
}
