import { jsonFields, type JsonFields } from "./json-fields.ts";
import { readStateFile } from "./state-file.ts";

/** What `decode` makes of a state file; `undefined` if there is none, or none that this version understands. */
export function decodeStateFile<T>(path: string, decode: (json: JsonFields) => T): T | undefined {
  const value = readStateFile(path);
  if (value === undefined) return undefined;
  try {
    return decode(jsonFields(value));
  } catch {
    return undefined; // cut short by a crash, or written by a version that we do not know
  }
}
