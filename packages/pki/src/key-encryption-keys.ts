import { createHash } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";

/** 32 bytes that other keys are stored under, and a name for them that tells nothing. */
export interface KeyEncryptionKey {
  /** First 16 hex digits of a SHA-256 over the key: says which key sealed what. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** The keys of a key encryption key file: what is sealed now, and what can be opened. */
export interface KeyEncryptionKeys {
  readonly current: KeyEncryptionKey;
  /** Opened with, never sealed with. */
  readonly previous: readonly KeyEncryptionKey[];
  /**
   * The key of this id.
   * @throws DrawbridgeError `KEY_ENCRYPTION_KEY_WRONG` (failed_precondition): none of them
   */
  byId(id: string): KeyEncryptionKey;
}

const keyBytes = 32;
const maxKeys = 8;

/**
 * A key encryption key file: one key per line, the current one first, then previous ones that something is still stored under;
 * empty lines and lines that begin with `#` are skipped. A file with one line is one key.
 * @throws DrawbridgeError `KEY_ENCRYPTION_KEY_INVALID` (failed_precondition)
 */
export function parseKeyEncryptionKeys(text: string): KeyEncryptionKeys {
  const lines = text.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#"));
  const [current, ...previous] = lines.map(parseKey);
  if (current === undefined) throw invalid("the file of the key encryption key has no key in it");
  const keys = [current, ...previous];
  if (keys.length > maxKeys) throw invalid(`a file of key encryption keys has at most ${maxKeys} of them`);
  const byId = new Map(keys.map((key) => [key.id, key]));
  if (byId.size < keys.length) throw invalid("a key encryption key is in its file twice");
  return {
    current,
    previous,
    byId: (id) => {
      const key = byId.get(id);
      if (key !== undefined) return key;
      const given = [...byId.keys()].join(", ");
      throw new DrawbridgeError({
        kind: "failed_precondition",
        code: "KEY_ENCRYPTION_KEY_WRONG",
        message: `this was stored under key encryption key ${id.slice(0, 64)}, and given is ${given}: give the key that it was stored under`,
      });
    },
  };
}

function parseKey(base64url: string): KeyEncryptionKey {
  const bytes = Buffer.from(base64url, "base64url");
  if (!/^[A-Za-z0-9_-]{43}=?$/.test(base64url) || bytes.byteLength !== keyBytes) {
    throw invalid(
      "the key encryption key must be 32 random bytes, base64url (43 characters); make one with: openssl rand 32 | basenc --base64url",
    );
  }
  const id = createHash("sha256").update("drawbridge key encryption key id\0").update(bytes).digest("hex").slice(0, 16);
  return { id, bytes };
}

function invalid(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "failed_precondition", code: "KEY_ENCRYPTION_KEY_INVALID", message });
}
