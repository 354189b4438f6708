import { createSecretKey } from "node:crypto";
import type { Enforcement } from "../../pipeline/enforcement.ts";
import type { Exchange } from "../../pipeline/exchange.ts";
import type { Reply } from "../../pipeline/reply.ts";
import { definePolicyType, type PolicyContext } from "../../policy-type.ts";
import type { PolicyServices } from "../../policy-services.ts";
import { expiredCertificates, trustOf } from "../ca-certificates.ts";
import { acceptToken, findToken, type TokenFields } from "../token-fields.ts";
import { createStaticKeys } from "./key-source.ts";
import { schema, type JwtConfiguration } from "./schema.ts";
import { refusalOfProblem, tokenRefusals } from "./token-refusal.ts";
import { createTokenVerifier, type TokenVerdict, type TokenVerifier, type TrustedKeys } from "./token-verifier.ts";
import { keyFromPem } from "./verification-key.ts";
import type { ClaimRules } from "./claims.ts";

export const jwtValidation = definePolicyType<JwtConfiguration>({
  type: "jwt-validation",
  title: "JWT validation",
  description:
    "Lets requests pass that carry a signed token (RFC 7519) of a trusted issuer, for the right audience, within its time.",
  category: "security",
  schema,
  position: "ordered",
  provides: ["principal", "client"],
  requiresContracts: ({ clientIdClaim }) => clientIdClaim !== undefined,
  bodyBytes: () => 0,
  problemsOn: ({ keys }, now) =>
    keys.source === "jwks" ? expiredCertificates(keys.caCertificates, { field: "keys.caCertificates", now }) : [],
  create(configuration, context, services) {
    const rules = claimRules(configuration, configuration.issuers);
    const keys = trustedKeys(configuration, services);
    const verifier = createTokenVerifier({ keys, rules, clock: services.clock, verifications: services.verifications });
    return enforceTokens({ verifier, fields: configuration, scopes: configuration.scopes, context, services });
  },
});

/** The rules of a configuration, for tokens of `issuers`. */
export function claimRules(
  configuration: Omit<ClaimRules, "issuers" | "isExpiryRequired" | "requiredClaims" | "tokenType"> & {
    readonly requireExpiry: boolean;
    readonly tokenType?: string | undefined;
    readonly requiredClaims: readonly { readonly name: string; readonly values?: readonly string[] | undefined }[];
  },
  issuers: readonly string[],
): ClaimRules {
  return {
    issuers,
    audiences: configuration.audiences,
    leewaySeconds: configuration.leewaySeconds,
    isExpiryRequired: configuration.requireExpiry,
    tokenType: configuration.tokenType,
    requiredClaims: configuration.requiredClaims.map(({ name, values }) => ({ name, values })),
    scopes: configuration.scopes,
  };
}

function trustedKeys({ keys, algorithms }: JwtConfiguration, services: PolicyServices): TrustedKeys {
  if (keys.source === "secret") return { kind: "secret", secret: createSecretKey(keys.secret, "utf8") };
  const allowed = new Set(algorithms);
  if (keys.source === "jwks") {
    const source = services.keySets.open({
      url: keys.url,
      ttlMs: keys.ttlSeconds * 1000,
      ...trustOf(keys.caCertificates),
    });
    return { kind: "public", source, algorithms: allowed };
  }
  // The schema refused keys that cannot be read.
  const trusted = keys.keys.flatMap(({ pem, keyId, algorithm }) => keyFromPem(pem, { keyId, only: algorithm }) ?? []);
  return { kind: "public", source: createStaticKeys(trusted), algorithms: allowed };
}

/** The hook that judges each request's token. A token seen before is judged without a promise. */
export function enforceTokens(options: {
  readonly verifier: TokenVerifier;
  readonly fields: TokenFields;
  readonly scopes: readonly string[];
  readonly context: PolicyContext;
  readonly services: Pick<PolicyServices, "raiseAlarm">;
}): Enforcement {
  const { verifier, fields, scopes, context, services } = options;
  const conclude = (exchange: Exchange, verdict: TokenVerdict): Reply | undefined => {
    if (verdict.isGood) return acceptToken(exchange, { fields, context, claims: verdict.claims });
    if (verdict.detail !== undefined) {
      const { apiId, policyId, policyName } = context;
      services.raiseAlarm({ apiId, policyId, policyName, code: "TOKEN_CHECK_UNAVAILABLE", message: verdict.detail });
    }
    return context.refuse(exchange, refusalOfProblem(verdict.problem, scopes));
  };
  return {
    onRequest(exchange) {
      const credentials = findToken(exchange, fields);
      if (credentials.kind === "none") return context.refuse(exchange, tokenRefusals.missing);
      if (credentials.kind === "malformed") return context.refuse(exchange, tokenRefusals.invalid);
      const verdict = verifier.verify(credentials.token);
      return verdict instanceof Promise
        ? verdict.then((late) => conclude(exchange, late))
        : conclude(exchange, verdict);
    },
  };
}
