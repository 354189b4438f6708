import type { z } from "zod";
import type { ApiClient, Query } from "./client.ts";
import { pageOf } from "./types.ts";

/** Every item of a list, page by page. */
export async function listAll<T extends z.ZodType>(
  api: ApiClient,
  path: string,
  item: T,
  query: Query = {},
): Promise<z.output<T>[]> {
  const items: z.output<T>[] = [];
  let pageToken: string | undefined;
  do {
    const page: { items: z.output<T>[]; nextPageToken?: string | null | undefined } = await api.call(
      path,
      pageOf(item),
      {
        query: { ...query, pageToken },
      },
    );
    items.push(...page.items);
    pageToken = page.nextPageToken ?? undefined;
  } while (pageToken !== undefined && pageToken !== "");
  return items;
}

const largestPage = 500;

/** The first `limit` items of a list that may be long; `isCut` if there are more. */
export async function listUpTo<T extends z.ZodType>(
  api: ApiClient,
  path: string,
  item: T,
  { query, limit }: { readonly query: Query; readonly limit: number },
): Promise<{ readonly items: z.output<T>[]; readonly isCut: boolean }> {
  const items: z.output<T>[] = [];
  let pageToken = "";
  do {
    const page: { items: z.output<T>[]; nextPageToken?: string | null | undefined } = await api.call(
      path,
      pageOf(item),
      { query: { ...query, limit: Math.min(largestPage, limit - items.length), pageToken } },
    );
    items.push(...page.items);
    pageToken = page.nextPageToken ?? "";
  } while (pageToken !== "" && items.length < limit);
  return { items, isCut: pageToken !== "" };
}
