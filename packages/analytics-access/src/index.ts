export { type AnalyticsGrant } from "./grant.ts";
export { createGrantSigner, type SignGrant } from "./grant-signer.ts";
export { createGrantVerifier, type GrantVerifier } from "./grant-verifier.ts";
