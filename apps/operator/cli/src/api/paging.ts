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
