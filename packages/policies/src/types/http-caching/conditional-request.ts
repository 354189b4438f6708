import type { Exchange } from "../../pipeline/exchange.ts";
import { readHttpDate } from "./cache-control.ts";
import type { StoredResponse } from "./response-store.ts";

const entityTag = /\s*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)/y;

/** Whether the client has this response already (RFC 9110, sections 13.1.2 and 13.1.3). */
export function isNotModified(exchange: Exchange, stored: Pick<StoredResponse, "etag" | "lastModifiedMs">): boolean {
  const known = exchange.header("if-none-match");
  if (known !== undefined) return matches(known, stored.etag);
  const since = readHttpDate(exchange.header("if-modified-since"));
  return since !== undefined && stored.lastModifiedMs !== undefined && stored.lastModifiedMs <= since;
}

/** Weak comparison: a tag's strength does not matter for GET and HEAD. What cannot be read matches nothing. */
function matches(list: string, etag: string | undefined): boolean {
  if (list.trim() === "*") return true;
  if (etag === undefined) return false;
  entityTag.lastIndex = 0;
  while (entityTag.lastIndex < list.length) {
    const tag = entityTag.exec(list)?.[1];
    if (tag === undefined) return false;
    if (tag.replace(/^W\//, "") === etag.replace(/^W\//, "")) return true;
  }
  return false;
}
