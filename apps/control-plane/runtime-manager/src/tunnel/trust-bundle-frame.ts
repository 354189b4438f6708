import type { TrustBundleChanged } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import type { IdentityHolder } from "@drawbridge/pki";

/** The roots that agents should trust, as this service trusts them; one object for all tunnels until they change. */
export function createTrustBundleFrame(identity: Pick<IdentityHolder, "get">): () => TrustBundleChanged {
  let frame: TrustBundleChanged | undefined;
  return () => {
    const { sequence, rootsDer } = identity.get().trustBundle;
    if (frame?.sequence !== sequence) frame = { sequence, rootsDer: rootsDer.map((der) => Buffer.from(der)) };
    return frame;
  };
}
