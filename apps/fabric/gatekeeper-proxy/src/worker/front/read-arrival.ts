import type { IncomingMessage } from "node:http";
import type { Arrival } from "../exchange/request-context.ts";
import { headTooLarge, malformed, targetTooLong, type Problem } from "../request/problem.ts";
import { normaliseTarget, type TargetProblem } from "../request/normalise-target.ts";
import type { FieldsProblem, RequestFields } from "../request/read-fields.ts";
import type { Target } from "../request/normalise-target.ts";
import type { AppRoute } from "../route/app-route.ts";
import type { BlockList } from "node:net";
import { clientBehindProxies, forwardedLinesOf, type ClientConnection } from "./client-connection.ts";

export interface ArrivalRules {
  readonly pathParameters: "refuse" | "pass";
  readonly trusted: BlockList;
}

const targetDetails: Readonly<Record<Exclude<TargetProblem, "target too long">, string>> = {
  "target form": "The request target must be a path.",
  "target character": "The request target has a character that no URI has.",
  "percent encoding": "The request target has an escape that stands for no character.",
  "encoded separator": "The path hides a separator or a control character behind an escape.",
  "path parameter": "The path has a parameter (;), which servers read differently.",
  "path above root": "The path leaves the root.",
};

const fieldDetails: Readonly<Record<Exclude<FieldsProblem, "too many fields">, string>> = {
  host: "There must be one Host field that names a host and nothing else.",
  "content length": "There must be at most one Content-Length, a decimal number.",
  "transfer encoding": "The only Transfer-Encoding is chunked, once, in HTTP/1.1 and without Content-Length.",
  expectation: "The only expectation that can be met is 100-continue.",
  "two names for one field": "A field that servers could take for another one, written with an underscore.",
  "field name": "A field name has a character that no field name has.",
  "field value": "A field value has a control character.",
};

/** Everything that node:http accepts and that must not pass is refused here (gateway.md 4.5 and 6.10). */
export function readArrival(
  request: Pick<IncomingMessage, "method" | "url" | "rawHeaders" | "httpVersionMajor" | "httpVersionMinor">,
  connection: ClientConnection,
  rules: ArrivalRules,
): Arrival | Problem {
  if (request.httpVersionMajor !== 1) return malformed("The only versions here are HTTP/1.0 and HTTP/1.1.");
  const fields = connection.heads.readFields(request.rawHeaders, { isOld: request.httpVersionMinor === 0 });
  if (typeof fields === "string") {
    return fields === "too many fields" ? headTooLarge : malformed(fieldDetails[fields]);
  }
  return completeArrival({ method: request.method ?? "", url: request.url ?? "", fields }, connection, rules);
}

/** The same for requests whose fields were read from HTTP/2. */
export function completeArrival(
  request: { readonly method: string; readonly url: string; readonly fields: RequestFields },
  connection: ClientConnection,
  rules: ArrivalRules,
): Arrival | Problem {
  const { method, fields } = request;
  if (method === "TRACE" || method === "CONNECT") return malformed("This method is not served.");
  const { isTls, peerAddress } = connection;
  const target = normaliseTarget(request.url, { isTls, pathParameters: rules.pathParameters });
  if (typeof target === "string") {
    return target === "target too long" ? targetTooLong : malformed(targetDetails[target]);
  }
  if (target.authority !== undefined && !isSameAuthority(target, fields, isTls)) {
    return malformed("The authority of the request target is not that of the Host field.");
  }
  let clientAddress = peerAddress;
  let { forwardedLines } = connection;
  if (connection.isTrusted && fields.forwardedFor !== "") {
    const behind = clientBehindProxies(peerAddress, fields.forwardedFor, rules.trusted);
    clientAddress = behind.clientAddress;
    forwardedLines = forwardedLinesOf(behind.chain, isTls);
  }
  return { method, target, fields, peerAddress, clientAddress, isTls, forwardedLines, heads: connection.heads };
}

function isSameAuthority({ authority = "" }: Target, { host }: RequestFields, isTls: boolean): boolean {
  const port = isTls ? ":443" : ":80";
  const plain = (text: string): string => (text.endsWith(port) ? text.slice(0, -port.length) : text).toLowerCase();
  return plain(authority) === plain(host);
}

export function isProblem(value: Arrival | AppRoute | Problem): value is Problem {
  return "code" in value;
}
