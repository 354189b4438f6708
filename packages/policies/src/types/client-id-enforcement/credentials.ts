import type { Exchange } from "../../pipeline/exchange.ts";
import type { ClientIdEnforcement } from "./schema.ts";

export interface ClientCredentials {
  readonly clientId: string;
  /** Undefined if there is none. */
  readonly secret: string | undefined;
}

/** How credentials are read from a request, and what is taken out of it before it goes upstream. */
export interface CredentialReader {
  readonly read: (exchange: Exchange) => ClientCredentials | undefined;
  readonly removeSecret: (exchange: Exchange) => void;
  /** Value of WWW-Authenticate. */
  readonly challenge: string;
}

/** Longer ones are none: ids and secrets made by api-manager have 36 and 43 characters. */
const longestPart = 256;

export function createCredentialReader(credentials: ClientIdEnforcement["credentials"]): CredentialReader {
  switch (credentials.source) {
    case "headers":
      return fromHeaders(credentials.clientIdHeader.toLowerCase(), credentials.clientSecretHeader.toLowerCase());
    case "basic":
      return {
        read: (exchange) => parseBasic(exchange.header("authorization")),
        removeSecret: (exchange) => exchange.removeHeader("authorization"),
        challenge: 'Basic realm="api", charset="UTF-8"',
      };
    case "query":
      return {
        read: (exchange) =>
          bounded(
            parameterOf(exchange.query, credentials.clientIdParameter),
            parameterOf(exchange.query, credentials.clientSecretParameter),
          ),
        // The query is the upstream's as it came.
        removeSecret: () => undefined,
        challenge: "Client-Id",
      };
  }
}

function fromHeaders(idHeader: string, secretHeader: string): CredentialReader {
  return {
    read: (exchange) => bounded(exchange.header(idHeader), exchange.header(secretHeader)),
    removeSecret: (exchange) => exchange.removeHeader(secretHeader),
    challenge: "Client-Id",
  };
}

function bounded(clientId: string | undefined, secret: string | undefined): ClientCredentials | undefined {
  if (clientId === undefined || clientId === "" || clientId.length > longestPart) return undefined;
  if (secret !== undefined && secret.length > longestPart) return undefined;
  return { clientId, secret: secret === "" ? undefined : secret };
}

const basicPattern = /^basic +([A-Za-z0-9+/]{1,1024}={0,2}) *$/i;

/** RFC 7617: everything up to the first colon is the id. */
function parseBasic(authorization: string | undefined): ClientCredentials | undefined {
  const encoded = authorization === undefined ? undefined : basicPattern.exec(authorization)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon === -1 ? undefined : bounded(text.slice(0, colon), text.slice(colon + 1));
}

/** Value of the one parameter of that name; undefined if there are none or several, or it is not well encoded. */
function parameterOf(query: string, name: string): string | undefined {
  let value: string | undefined;
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (equals !== -1 && pair.slice(0, equals) === name) {
      if (value !== undefined) return undefined;
      value = pair.slice(equals + 1);
    }
  }
  if (value === undefined) return undefined;
  try {
    return decodeURIComponent(value.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
