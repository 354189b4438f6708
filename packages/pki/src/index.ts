export {
  generateKeyPair,
  importPrivateKeyDer,
  importPrivateKeyPem,
  privateKeyToDer,
  spkiPin,
  spkiSha256,
  type KeyPair,
} from "./key-pair.ts";
export { createCsr, maxCsrBytes, parseCsr, type ParsedCsr } from "./csr.ts";
export { generateSerialNumber, parseCertificate, type SigningCa } from "./certificate.ts";
export {
  assertLeafTtl,
  createIssuingCertificate,
  createRootCertificate,
  issuingTtlSeconds,
  leafTtl,
  rootTtlSeconds,
  type IssuingCertificateOptions,
  type RootCertificateOptions,
} from "./certificate-profile.ts";
export {
  createLeafCertificate,
  createLeafIssuer,
  type LeafCertificate,
  type LeafIssuer,
  type LeafRequest,
} from "./leaf-issuer.ts";
export { formatSpiffeId, parseSpiffeId, spiffeId, spiffePath, type SpiffeIdentity } from "./spiffe-id.ts";
export { derToPem, pemToDerAll } from "./pem.ts";
export {
  createTrustBundle,
  defaultRefreshHintSeconds,
  parseTrustBundleJson,
  trustBundleToJson,
  type TrustBundle,
} from "./trust-bundle.ts";
export { verifyChain, type VerifiedLeaf } from "./verify-chain.ts";
export {
  chainToPem,
  IdentityHolder,
  validateIdentity,
  type IdentityMaterial,
  type IdentitySnapshot,
} from "./identity.ts";
export { identityFiles, loadIdentityDir, readIdentityDir, saveIdentityDir } from "./identity-dir.ts";
export { clientTlsOptions, serverTlsOptions, type ClientTlsOptions, type ServerTlsOptions } from "./tls-options.ts";
export { peerIdentity, type PeerIdentity } from "./peer-identity.ts";
export { pinnedTlsOptions, type PinnedTlsOptions, type PinnedTrust } from "./pinned-tls.ts";
export { createRevocationList, type RevocationListOptions, type RevocationListReason } from "./revocation-list.ts";
export { renewalInstant } from "./renewal.ts";
export {
  createJwsSigner,
  signJws,
  verifyJws,
  type JwsSignerOptions,
  type SignJwsOptions,
  type VerifiedJws,
  type VerifyJwsOptions,
} from "./jws.ts";
export { parseKeyEncryptionKeys, type KeyEncryptionKey, type KeyEncryptionKeys } from "./key-encryption-keys.ts";
export { sealBytes, unsealBytes, type SealOptions } from "./sealed-bytes.ts";
export { followTrustSuccession, signTrustSuccession, type SignSuccessionOptions } from "./trust-succession.ts";
