import { definePolicyType } from "../../policy-type.ts";
import { expiredCertificates, trustOf } from "../ca-certificates.ts";
import { enforceTokens } from "../jwt-validation/jwt-validation.ts";
import { createIntrospectingVerifier } from "./introspecting-verifier.ts";
import { schema, type IntrospectionConfiguration } from "./schema.ts";

export const oauth2Introspection = definePolicyType<IntrospectionConfiguration>({
  type: "oauth2-introspection",
  title: "OAuth 2.0 token introspection",
  description: "Lets requests pass whose token the issuer, asked for it (RFC 7662), says is active. No answer refuses.",
  category: "security",
  schema,
  position: "ordered",
  provides: ["principal", "client"],
  requiresContracts: ({ clientIdClaim }) => clientIdClaim !== undefined,
  bodyBytes: () => 0,
  problemsOn: ({ caCertificates }, now) => expiredCertificates(caCertificates, { field: "caCertificates", now }),
  create(configuration, context, services) {
    const { fetch, clock, raiseAlarm } = services;
    const { apiId, policyId, policyName } = context;
    const verifier = createIntrospectingVerifier({
      ...configuration,
      ...trustOf(configuration.caCertificates),
      activeTtlMs: configuration.activeTtlSeconds * 1000,
      inactiveTtlMs: configuration.inactiveTtlSeconds * 1000,
      rules: {
        issuers: configuration.issuers,
        audiences: configuration.audiences,
        scopes: configuration.scopes,
        leewaySeconds: configuration.leewaySeconds,
        isExpiryRequired: false,
        tokenType: undefined,
        requiredClaims: [],
      },
      fetch,
      clock,
      reportFailure: (message) => raiseAlarm({ apiId, policyId, policyName, code: "INTROSPECTION_FAILED", message }),
    });
    return enforceTokens({ verifier, fields: configuration, scopes: configuration.scopes, context, services });
  },
});
