import { definePolicyType, type PolicyContext } from "../../policy-type.ts";
import type { PolicyServices } from "../../policy-services.ts";
import { expiredCertificates, trustOf } from "../ca-certificates.ts";
import { claimRules, enforceTokens } from "../jwt-validation/jwt-validation.ts";
import { createTokenVerifier, type TokenVerifier } from "../jwt-validation/token-verifier.ts";
import { createIntrospectingVerifier } from "../oauth2-introspection/introspecting-verifier.ts";
import { RemoteDocument } from "../remote-document.ts";
import {
  createDiscoveredVerifier,
  discoveryUrl,
  readIssuerMetadata,
  type IssuerMetadata,
} from "./discovered-verifier.ts";
import { schema, type OpenIdConfiguration } from "./schema.ts";

export const openidConnect = definePolicyType<OpenIdConfiguration>({
  type: "openid-connect",
  title: "OpenID Connect",
  description:
    "Lets requests pass with a token of an issuer whose keys or introspection endpoint are found by discovery.",
  category: "security",
  schema,
  position: "ordered",
  provides: ["principal", "client"],
  requiresContracts: ({ clientIdClaim }) => clientIdClaim !== undefined,
  bodyBytes: () => 0,
  problemsOn: ({ caCertificates }, now) => expiredCertificates(caCertificates, { field: "caCertificates", now }),
  create(configuration, context, services) {
    const { issuer, ttlSeconds } = configuration;
    const document = new RemoteDocument<IssuerMetadata>({
      url: discoveryUrl(issuer),
      accept: "application/json",
      ...trustOf(configuration.caCertificates),
      fetch: services.fetch,
      clock: services.clock,
      ttlMs: ttlSeconds * 1000,
      read: (json) => readIssuerMetadata(json, configuration),
      fingerprint: (metadata) => JSON.stringify(metadata),
    });
    const verifier = createDiscoveredVerifier(document, (metadata) =>
      buildVerifier(metadata, { configuration, context, services }),
    );
    return enforceTokens({ verifier, fields: configuration, scopes: configuration.scopes, context, services });
  },
});

function buildVerifier(
  { jwksUri, introspectionEndpoint }: IssuerMetadata,
  options: { configuration: OpenIdConfiguration; context: PolicyContext; services: PolicyServices },
): TokenVerifier | undefined {
  const { configuration, context, services } = options;
  const { issuer, check, ttlSeconds } = configuration;
  const { clock, fetch } = services;
  if (check.by === "signature") {
    if (jwksUri === undefined) return undefined;
    const source = services.keySets.open({
      url: jwksUri,
      ttlMs: ttlSeconds * 1000,
      ...trustOf(configuration.caCertificates),
    });
    return createTokenVerifier({
      keys: { kind: "public", source, algorithms: new Set(check.algorithms) },
      rules: claimRules(configuration, [issuer]),
      clock,
      verifications: services.verifications,
    });
  }
  if (introspectionEndpoint === undefined) return undefined;
  const { apiId, policyId, policyName } = context;
  return createIntrospectingVerifier({
    ...check,
    ...trustOf(configuration.caCertificates),
    endpoint: introspectionEndpoint,
    activeTtlMs: check.activeTtlSeconds * 1000,
    inactiveTtlMs: check.inactiveTtlSeconds * 1000,
    // The answer comes from the issuer itself and need not name it (RFC 7662, section 2.2).
    rules: claimRules(configuration, []),
    fetch,
    clock,
    reportFailure: (message) =>
      services.raiseAlarm({ apiId, policyId, policyName, code: "INTROSPECTION_FAILED", message }),
  });
}
