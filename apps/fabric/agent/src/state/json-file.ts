import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { z } from "zod";
import { readFileIfPresent, writeFileAtomic } from "./atomic-file.ts";
import { moveAside } from "./move-aside.ts";

export interface JsonFileOptions<S extends z.ZodType> {
  readonly path: string;
  /** Must pin `schemaVersion` to a literal, so that a file of a newer agent is not misread by an older one. */
  readonly schema: S;
  readonly clock: Pick<Clock, "now">;
  readonly logger: Pick<Logger, "error">;
}

/** A small document on disk: parsed at the rim, replaced as a whole, moved aside when it makes no sense. */
export interface JsonFile<T> {
  readonly path: string;
  /** undefined if there is none, or if it was unusable and has been moved aside. */
  read(): Promise<T | undefined>;
  write(value: T): Promise<void>;
}

export function createJsonFile<S extends z.ZodType>(options: JsonFileOptions<S>): JsonFile<z.output<S>> {
  const { path, schema, clock, logger } = options;
  return {
    path,
    async read() {
      const text = await readFileIfPresent(path);
      if (text === undefined) return undefined;
      const parsed = parseJson(text, schema);
      if (parsed.outcome === "parsed") return parsed.value;
      await moveAside(path, { now: clock.now(), reason: parsed.reason, logger });
      return undefined;
    },
    write: (value) => writeFileAtomic(path, `${JSON.stringify(value, undefined, 2)}\n`),
  };
}

type Parsed<T> =
  | { readonly outcome: "parsed"; readonly value: T }
  | { readonly outcome: "unusable"; readonly reason: string };

/** Parse text as JSON and check it. The reason names fields, never values. */
export function parseJson<S extends z.ZodType>(text: string, schema: S): Parsed<z.output<S>> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { outcome: "unusable", reason: "not JSON" };
  }
  const result = schema.safeParse(json);
  if (result.success) return { outcome: "parsed", value: result.data };
  const issue = result.error.issues[0];
  return { outcome: "unusable", reason: issue ? `${issue.path.join(".")}: ${issue.message}` : "does not fit" };
}
