import { z } from "zod";
import { manifestSchema } from "./manifest-schema.ts";

const schemaId = "urn:drawbridge:manifest:v1";

/** The JSON Schema of drawbridge.yaml as a person writes it: fields with a default may be left out. */
export function manifestJsonSchema(): Record<string, unknown> {
  return { $id: schemaId, ...z.toJSONSchema(manifestSchema, { io: "input", target: "draft-2020-12" }) };
}
