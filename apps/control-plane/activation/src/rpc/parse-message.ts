import { DrawbridgeError } from "@drawbridge/errors";
import { fieldDetail } from "@drawbridge/rpc";
import type { z } from "zod";

/** @throws DrawbridgeError `REQUEST_INVALID` (invalid_argument), with a detail per field */
export function parseMessage<S extends z.ZodType>(schema: S, message: unknown): z.output<S> {
  const result = schema.safeParse(message);
  if (result.success) return result.data;
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "REQUEST_INVALID",
    message: "the request is not valid",
    details: Object.fromEntries(result.error.issues.map((issue) => [fieldDetail(issue.path.join(".")), issue.message])),
  });
}
