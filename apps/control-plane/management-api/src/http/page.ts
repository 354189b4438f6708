import { DrawbridgeError } from "@drawbridge/errors";
import { fieldDetail } from "@drawbridge/rpc";

/** A page and the token of the next one: ask the store for one more than `limit`. */
export function pageOf<T, J>(
  rows: readonly T[],
  options: { readonly limit: number; readonly toJson: (row: T) => J; readonly cursorOf: (row: T) => string },
): { items: J[]; nextPageToken: string } {
  const page = rows.slice(0, options.limit);
  const last = page.at(-1);
  const hasMore = rows.length > options.limit && last !== undefined;
  const nextPageToken = hasMore ? Buffer.from(options.cursorOf(last), "utf8").toString("base64url") : "";
  return { items: page.map(options.toJson), nextPageToken };
}

/**
 * The cursor in a page token of ours; undefined for the first page.
 * @throws DrawbridgeError `REQUEST_INVALID`
 */
export function cursorFrom(pageToken: string, pattern: RegExp): string | undefined {
  if (pageToken === "") return undefined;
  const cursor = Buffer.from(pageToken, "base64url").toString("utf8");
  if (pattern.test(cursor)) return cursor;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "REQUEST_INVALID",
    message: "pageToken is not the nextPageToken of an earlier answer",
    details: { [fieldDetail("pageToken")]: "must be the nextPageToken of an earlier answer" },
  });
}
