import { DrawbridgeError } from "@drawbridge/errors";
import { sealBytes, unsealBytes, type KeyEncryptionKeys } from "@drawbridge/pki";

/** Bytes as they lie in the database, under the key encryption key named by `kekId`. */
export interface Sealed {
  readonly kekId: string;
  readonly bytes: Buffer;
}

/** Encrypts what may hold secrets of operators. `boundTo` says what it is, so that rows cannot be exchanged for one another. */
export interface Sealer {
  seal(plain: Uint8Array, boundTo: string): Sealed;
  /** @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` (failed_precondition) | `API_RECORD_DAMAGED` (data_loss) */
  open(sealed: Sealed, boundTo: string): Buffer;
}

export function createSealer(keks: KeyEncryptionKeys): Sealer {
  return {
    seal: (plain, boundTo) => ({
      kekId: keks.current.id,
      bytes: sealBytes(plain, { key: keks.current.bytes, boundTo }),
    }),
    open: ({ kekId, bytes }, boundTo) => {
      const key = keks.byId(kekId).bytes;
      try {
        return unsealBytes(bytes, { key, boundTo });
      } catch (cause) {
        throw new DrawbridgeError({
          kind: "data_loss",
          code: "API_RECORD_DAMAGED",
          message: "what is stored cannot be decrypted: restore the database from a backup, or apply the policy again",
          cause,
        });
      }
    },
  };
}

export function policyBinding(policyId: string, version: bigint): string {
  return `policy ${policyId} version ${version}`;
}

export function documentBinding(apiId: string, digest: Uint8Array): string {
  return `document ${apiId} ${Buffer.from(digest).toString("hex")}`;
}
