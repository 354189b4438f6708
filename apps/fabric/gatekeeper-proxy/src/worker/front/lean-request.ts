import { IncomingMessage, type IncomingHttpHeaders } from "node:http";
import { fieldKind, kindOf } from "../request/field-kind.ts";

const none: IncomingHttpHeaders = Object.freeze({});

/**
 * Of the fields, those that node's server and `mayUpgrade` ask for: whether there is a body, what is expected, what to
 * change to. Several of one name are joined, as node does; a second Content-Length does not get past node's parser.
 */
export function fieldsForNode(raw: readonly string[]): IncomingHttpHeaders {
  let found: Record<string, string> | undefined;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    switch (kindOf(name)) {
      case fieldKind.te:
      case fieldKind.expect:
      case fieldKind.upgrade:
      case fieldKind.contentLength:
      case fieldKind.transferEncoding: {
        const lower = name.toLowerCase();
        const before = found?.[lower];
        const value = raw[index + 1] ?? "";
        found ??= {};
        found[lower] = before === undefined ? value : `${before}, ${value}`;
        break;
      }
      default:
    }
  }
  return found ?? none;
}

/** A request without an object of all its fields, which node would make for each: the gateway reads `rawHeaders`, once. */
export class LeanRequest extends IncomingMessage {}

Object.defineProperty(LeanRequest.prototype, "headers", {
  get(this: LeanRequest) {
    return fieldsForNode(this.rawHeaders);
  },
});
