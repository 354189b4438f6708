import { randomUUIDv7 } from "node:crypto";

/** Source of ids, injected. */
export interface IdSource {
  /** A UUIDv7 (RFC 9562 5.7): sorts by time of creation. */
  next(): string;
}

export const uuidV7Ids: IdSource = { next: () => randomUUIDv7() };
