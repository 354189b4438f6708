import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** All of them, once the body has ended. */
export async function allJsonLines(body: Readable): Promise<readonly Record<string, unknown>[]> {
  const documents: Record<string, unknown>[] = [];
  for await (const document of jsonLines(body)) documents.push(document);
  return documents;
}

/** The JSON documents of an NDJSON body, as they come. */
async function* jsonLines(body: Readable): AsyncGenerator<Record<string, unknown>> {
  for await (const line of createInterface({ input: body, crlfDelay: Infinity })) {
    if (line !== "") yield JSON.parse(line) as Record<string, unknown>; // one document per line
  }
}
