import { signTrustSuccession, type TrustBundle } from "@drawbridge/pki";
import type { TestCa } from "@drawbridge/testkit";

/** A link of the succession, as cert-authority makes it when the root is replaced. */
export function aLink(from: TestCa, trustBundle: TrustBundle): string {
  return signTrustSuccession({ trustBundle, root: from.rootKey, issuedAt: new Date() });
}
