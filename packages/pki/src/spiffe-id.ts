import { DrawbridgeError } from "@drawbridge/errors";

/** Who a certificate speaks for (design R1). */
export type SpiffeIdentity =
  | {
      readonly kind: "agent";
      readonly trustDomain: string;
      readonly org: string;
      readonly fabricId: string;
      readonly agentId: string;
    }
  | { readonly kind: "collector"; readonly trustDomain: string; readonly org: string; readonly fabricId: string }
  | {
      readonly kind: "gateway";
      readonly trustDomain: string;
      readonly org: string;
      readonly fabricId: string;
      readonly gatewayId: string;
    }
  | { readonly kind: "service"; readonly trustDomain: string; readonly service: string };

type Parts<K extends SpiffeIdentity["kind"]> = Omit<Extract<SpiffeIdentity, { kind: K }>, "kind">;

/** Longest ID that we make or read; the SPIFFE standard allows 2048 bytes. */
const longestId = 512;
const trustDomain = "[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?";
const slug = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const fabricPattern = new RegExp(
  `^spiffe://(?<trustDomain>${trustDomain})/org/(?<org>${slug})/fabric/(?<fabricId>${uuid})/` +
    `(?:agent/(?<agentId>${uuid})|gateway/(?<gatewayId>${uuid})|(?<collector>collector))$`,
);
const servicePattern = new RegExp(`^spiffe://(?<trustDomain>${trustDomain})/cp/(?<service>${slug})$`);

/**
 * SPIFFE IDs from their parts.
 * @throws DrawbridgeError `SPIFFE_ID_INVALID` (invalid_argument): a part breaks the format.
 */
export const spiffeId = {
  agent: (parts: Parts<"agent">): string => formatSpiffeId({ kind: "agent", ...parts }),
  collector: (parts: Parts<"collector">): string => formatSpiffeId({ kind: "collector", ...parts }),
  gateway: (parts: Parts<"gateway">): string => formatSpiffeId({ kind: "gateway", ...parts }),
  service: (parts: Parts<"service">): string => formatSpiffeId({ kind: "service", ...parts }),
} as const;

/** @throws DrawbridgeError `SPIFFE_ID_INVALID` (invalid_argument) */
export function formatSpiffeId(identity: SpiffeIdentity): string {
  const uri = `spiffe://${identity.trustDomain}${spiffePath(identity)}`;
  parseSpiffeId(uri);
  return uri;
}

/** The path: "/cp/runtime-manager". */
export function spiffePath(identity: SpiffeIdentity): string {
  switch (identity.kind) {
    case "agent":
      return `/org/${identity.org}/fabric/${identity.fabricId}/agent/${identity.agentId}`;
    case "collector":
      return `/org/${identity.org}/fabric/${identity.fabricId}/collector`;
    case "gateway":
      return `/org/${identity.org}/fabric/${identity.fabricId}/gateway/${identity.gatewayId}`;
    case "service":
      return `/cp/${identity.service}`;
  }
}

/**
 * The identity behind a SPIFFE ID. The match is exact: no case folding, no percent decoding, no default ports, so that
 * two different texts are never one name.
 * @throws DrawbridgeError `SPIFFE_ID_INVALID` (invalid_argument)
 */
export function parseSpiffeId(uri: string): SpiffeIdentity {
  if (uri.length <= longestId) {
    const service = servicePattern.exec(uri)?.groups;
    if (service)
      return { kind: "service", trustDomain: part(service, "trustDomain"), service: part(service, "service") };
    const fabric = fabricPattern.exec(uri)?.groups;
    if (fabric) return fabricIdentity(fabric);
  }
  throw new DrawbridgeError({
    kind: "invalid_argument",
    code: "SPIFFE_ID_INVALID",
    message:
      "the SPIFFE ID must be spiffe://<trust-domain>/cp/<service> or spiffe://<trust-domain>/org/<org>/fabric/<uuid>/{agent/<uuid>|collector|gateway/<uuid>}, in lower case",
  });
}

function fabricIdentity(groups: Readonly<Record<string, string | undefined>>): SpiffeIdentity {
  const common = {
    trustDomain: part(groups, "trustDomain"),
    org: part(groups, "org"),
    fabricId: part(groups, "fabricId"),
  };
  if (groups["agentId"] !== undefined) return { kind: "agent", ...common, agentId: groups["agentId"] };
  if (groups["gatewayId"] !== undefined) return { kind: "gateway", ...common, gatewayId: groups["gatewayId"] };
  return { kind: "collector", ...common };
}

function part(groups: Readonly<Record<string, string | undefined>>, name: string): string {
  return groups[name] ?? ""; // each of these groups is mandatory in its pattern
}
