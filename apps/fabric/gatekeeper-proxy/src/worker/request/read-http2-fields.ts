import { fieldKind, kindOf } from "./field-kind.ts";
import { checkFields, readFields, type RequestFields } from "./read-fields.ts";

export interface Http2Head {
  readonly method: string;
  readonly url: string;
  readonly fields: RequestFields;
}

/**
 * Read the fields of an HTTP/2 request so that they can be said in HTTP/1.1 without another meaning (RFC 9113 8.2, 8.3):
 * no field of framing, no line end, one authority.
 */
export function readHttp2Fields(
  raw: readonly string[],
  { hasBody }: { readonly hasBody: boolean },
): Http2Head | { readonly problem: string } {
  let method = "";
  let url = "";
  let authority: string | undefined;
  let host: string | undefined;
  let cookie = "";
  let hasLength = false;
  const fields: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] ?? "";
    const value = raw[index + 1] ?? "";
    if (name === ":method") method = value;
    else if (name === ":path") url = value;
    else if (name === ":authority") authority = value;
    else if (name === ":scheme") continue;
    else if (name.startsWith(":")) return { problem: "There is a pseudo header that is not served." };
    else if (name === "cookie") cookie = cookie === "" ? value : `${cookie}; ${value}`;
    else {
      switch (kindOf(name)) {
        case fieldKind.host:
          if (host !== undefined) return { problem: "There are two Host fields." };
          host = value;
          break;
        case fieldKind.transferEncoding:
        case fieldKind.connection:
        case fieldKind.keepAlive:
        case fieldKind.upgrade:
          return { problem: "There is a field that HTTP/2 does not have." };
        case fieldKind.contentLength:
          hasLength = true;
          fields.push(name, value);
          break;
        default:
          fields.push(name, value);
      }
    }
  }
  if (authority !== undefined && host !== undefined && authority.toLowerCase() !== host.toLowerCase()) {
    return { problem: "Host is not the authority of the request." };
  }
  if (cookie !== "") fields.push("cookie", cookie);
  const problem = checkFields(fields);
  if (problem !== undefined) return { problem: `There is a ${problem} that no field has.` };
  const name = authority ?? host;
  const read = readFields(name === undefined ? fields : ["host", name, ...fields], { isOld: false });
  if (typeof read === "string") return { problem: `The fields are malformed: ${read}.` };
  return { method, url, fields: hasLength || !hasBody ? read : { ...read, bodyLength: -1 } };
}
