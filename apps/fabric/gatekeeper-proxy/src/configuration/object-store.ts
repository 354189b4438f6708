import { createHash } from "node:crypto";

/**
 * Objects by the hex of their SHA-256, in shared memory, so that every worker reads the same bytes. What is not the digest's
 * never gets in.
 */
export class ObjectStore {
  readonly #objects = new Map<string, Uint8Array>();

  readonly find = (digest: string): Uint8Array | undefined => this.#objects.get(digest);

  /** False: the bytes are not what the digest names. */
  add(digest: string, bytes: Uint8Array): boolean {
    if (this.#objects.has(digest)) return true;
    if (createHash("sha256").update(bytes).digest("hex") !== digest) return false;
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    this.#objects.set(digest, shared);
    return true;
  }

  /** Forget what nobody needs any more. */
  keepOnly(needed: ReadonlySet<string>): void {
    for (const digest of this.#objects.keys()) if (!needed.has(digest)) this.#objects.delete(digest);
  }

  get count(): number {
    return this.#objects.size;
  }

  get sizeBytes(): number {
    return this.#objects.values().reduce((sum, bytes) => sum + bytes.length, 0);
  }
}
