import type { ListRevocationsResponse } from "@drawbridge/contracts/certs/v1/revocation_service";
import { cryptoRandom, systemClock } from "@drawbridge/lifecycle";
import type { IdentitySnapshot } from "@drawbridge/pki";
import { createRevocationList, type RevocationList } from "@drawbridge/rpc";
import { createTestLogger } from "@drawbridge/testkit";

export interface Revocations {
  readonly list: RevocationList;
  /** Resolves when the list has it and has told its listeners. */
  revoke(identity: IdentitySnapshot, reason?: string): Promise<void>;
}

/** A list that is read from memory; hints come at once. */
export async function startRevocations(): Promise<Revocations> {
  const revocations: ListRevocationsResponse["revocations"] = [];
  let hint = (): void => undefined;
  const list = createRevocationList({
    source: {
      read: ({ afterPosition }) =>
        Promise.resolve({
          revocations: revocations.slice(Number(afterPosition)),
          nextPosition: BigInt(revocations.length),
          more: false,
          listId: "list-1",
        }),
    },
    news: {
      subscribe: (onHint) => {
        hint = onHint;
        return { close: () => Promise.resolve() };
      },
      readMirror: () => Promise.resolve([]),
    },
    clock: systemClock,
    random: cryptoRandom,
    logger: createTestLogger().logger,
    metrics: {
      counter: () => ({ add: () => undefined }),
      histogram: () => ({ record: () => undefined }),
      gauge: () => undefined,
    },
  });
  await list.start(new AbortController().signal);
  return {
    list,
    revoke: (identity, reason = "key leaked") => {
      const known = Promise.withResolvers<void>();
      const stopListening = list.onRevoked(() => {
        stopListening();
        known.resolve();
      });
      revocations.push({
        position: BigInt(revocations.length + 1),
        serialNumber: identity.serialNumber,
        fingerprintSha256: "",
        spiffeId: identity.spiffeId,
        fabricId: "",
        revokedAt: new Date(),
        notAfter: identity.notAfter,
        reason,
      });
      hint();
      return known.promise;
    },
  };
}
