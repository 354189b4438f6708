import { AnalyticsGrant as GrantMessage } from "@drawbridge/contracts/analytics/v1/access";
import { createJwsSigner, type IdentitySnapshot } from "@drawbridge/pki";
import { analyticsTokenType, type AnalyticsGrant } from "./grant.ts";

/** A token for `grant`: a compact JWS (ES256, `x5c`) over its protobuf JSON. */
export type SignGrant = (grant: AnalyticsGrant) => string;

/** Sign with the identity in use at that moment; its key is read once. */
export function createGrantSigner(identity: () => IdentitySnapshot): SignGrant {
  let signing: { readonly identity: IdentitySnapshot; readonly sign: (payload: Uint8Array) => string } | undefined;
  return (grant) => {
    const current = identity();
    if (signing?.identity !== current) {
      signing = { identity: current, sign: createJwsSigner({ signer: current, type: analyticsTokenType }) };
    }
    const message = GrantMessage.fromPartial({ ...grant, environments: [...grant.environments] });
    return signing.sign(Buffer.from(JSON.stringify(GrantMessage.toJSON(message))));
  };
}
