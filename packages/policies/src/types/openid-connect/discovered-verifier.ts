import type { TokenVerdict, TokenVerifier } from "../jwt-validation/token-verifier.ts";
import { findUrlProblem } from "../outbound-url.ts";
import type { RemoteDocument } from "../remote-document.ts";

/** What we need of an issuer's configuration (OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2). */
export interface IssuerMetadata {
  readonly jwksUri: string | undefined;
  readonly introspectionEndpoint: string | undefined;
}

/** The document is good only if it names exactly the issuer that was asked (Discovery, section 4.3). */
export function readIssuerMetadata(
  json: unknown,
  { issuer, allowLoopbackHttp }: { issuer: string; allowLoopbackHttp: boolean },
): IssuerMetadata | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  // `as` holds: an object is a record.
  const members = json as Record<string, unknown>;
  if (members["issuer"] !== issuer) return undefined;
  const address = (name: string) => {
    const value = members[name];
    return typeof value === "string" && !findUrlProblem(value, { allowLoopbackHttp }) ? value : undefined;
  };
  return { jwksUri: address("jwks_uri"), introspectionEndpoint: address("introspection_endpoint") };
}

/** "https://a/b/" and "https://a/b" are asked at the same place, but are different issuers. */
export function discoveryUrl(issuer: string): string {
  return `${issuer.replace(/\/+$/, "")}/.well-known/openid-configuration`;
}

const busy: TokenVerdict = { isGood: false, problem: "busy" };

/**
 * Judges tokens as the issuer's configuration says, which is fetched at the first token and again in the background. While
 * there is none, nothing is known about any token.
 * @param build makes the judge for one state of the configuration; undefined if it lacks what is needed
 */
export function createDiscoveredVerifier(
  document: RemoteDocument<IssuerMetadata>,
  build: (metadata: IssuerMetadata) => TokenVerifier | undefined,
): TokenVerifier {
  let builtVersion = 0;
  let built: TokenVerifier | undefined;

  const current = (): TokenVerifier | undefined => {
    if (!document.isUsable() || document.value === undefined) return undefined;
    if (builtVersion !== document.version) {
      builtVersion = document.version;
      built = build(document.value);
    }
    return built;
  };

  const judge = (token: string): TokenVerdict | Promise<TokenVerdict> => {
    const detail = document.failure ?? "the issuer's configuration does not name what is needed";
    return current()?.verify(token) ?? { isGood: false, problem: "unavailable", detail };
  };

  return {
    verify(token) {
      const refresh = document.refresh("routine");
      if (refresh === "busy") return busy;
      return refresh ? refresh.then(() => judge(token)) : judge(token);
    },
  };
}
