import { DrawbridgeError } from "@drawbridge/errors";
import { fieldDetail } from "@drawbridge/rpc";

/** `ANALYTICS_QUERY_INVALID` (invalid_argument): `field` of the request, named as in JSON, is wrong. */
export function queryInvalid(field: string, message: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "ANALYTICS_QUERY_INVALID",
    message: `${field} ${message}`,
    details: { [fieldDetail(field)]: message },
  });
}
