import {
  chainToPem,
  createIssuingCertificate,
  createLeafIssuer,
  createRootCertificate,
  createTrustBundle,
  defaultRefreshHintSeconds,
  generateKeyPair,
  spiffeId,
  spkiPin,
  validateIdentity,
  type IdentitySnapshot,
  type KeyPair,
  type LeafCertificate,
  type SigningCa,
  type TrustBundle,
} from "@drawbridge/pki";

export interface IssueOptions {
  /** Default: when the CA was made. */
  readonly now?: Date;
  /** Default 7 days. */
  readonly ttlSeconds?: number;
}

/** A root and an issuing CA of the real profiles, for one test file. */
export interface TestCa {
  readonly trustDomain: string;
  readonly trustBundle: TrustBundle;
  /** SHA-256 of the root's public key, as in an activation token. */
  readonly pins: readonly string[];
  /** Signs what a root signs: a succession of trust bundles. */
  readonly rootKey: KeyPair;
  readonly issuing: SigningCa;
  readonly issuingDer: Uint8Array;
  /** An identity `spiffe://<trust-domain>/cp/<name>`. */
  issueService(name: string, options?: IssueOptions): Promise<IdentitySnapshot>;
  issueAgent(parts: AgentParts, options?: IssueOptions): Promise<IdentitySnapshot>;
  issueCollector(parts: FabricParts, options?: IssueOptions): Promise<IdentitySnapshot>;
  /** For any public key and name: what the certificate authority does with a CSR. */
  sign(spkiDer: Uint8Array, spiffeId: string, options?: IssueOptions): Promise<LeafCertificate>;
}

export interface FabricParts {
  readonly org: string;
  readonly fabricId: string;
}

export interface AgentParts extends FabricParts {
  readonly agentId: string;
}

export async function createTestCa(
  options: { readonly trustDomain?: string; readonly now?: Date } = {},
): Promise<TestCa> {
  const trustDomain = options.trustDomain ?? "drawbridge.local";
  const madeAt = options.now ?? new Date();
  const rootKey = await generateKeyPair();
  const rootDer = await createRootCertificate({ keyPair: rootKey, trustDomain, now: madeAt });
  const issuingKey = await generateKeyPair();
  const issuingDer = await createIssuingCertificate({
    spkiDer: issuingKey.spkiDer,
    root: { certificateDer: rootDer, privateKey: rootKey.privateKey },
    trustDomain,
    now: madeAt,
  });
  const issuing: SigningCa = { certificateDer: issuingDer, privateKey: issuingKey.privateKey };
  const issuer = createLeafIssuer(issuing);
  const trustBundle = createTrustBundle({
    sequence: 1n,
    trustDomain,
    rootsDer: [rootDer],
    refreshHintSeconds: defaultRefreshHintSeconds,
  });

  function sign(spkiDer: Uint8Array, id: string, issue: IssueOptions = {}): Promise<LeafCertificate> {
    return issuer.issue({
      spkiDer,
      spiffeId: id,
      now: issue.now ?? madeAt,
      ...(issue.ttlSeconds === undefined ? {} : { ttlSeconds: issue.ttlSeconds }),
    });
  }

  async function identity(id: string, issue: IssueOptions = {}): Promise<IdentitySnapshot> {
    const keyPair = await generateKeyPair();
    const leaf = await sign(keyPair.spkiDer, id, issue);
    const material = {
      certificateChainPem: chainToPem([leaf.certificateDer, issuingDer]),
      privateKeyPem: keyPair.privateKeyPem(),
      trustBundle,
    };
    return validateIdentity(material, leaf.notBefore); // also for one that is to be expired by now
  }

  return {
    trustDomain,
    trustBundle,
    pins: [spkiPin(rootKey.spkiDer)],
    rootKey,
    issuing,
    issuingDer,
    sign,
    issueService: (name, issue) => identity(spiffeId.service({ trustDomain, service: name }), issue),
    issueAgent: (parts, issue) => identity(spiffeId.agent({ trustDomain, ...parts }), issue),
    issueCollector: (parts, issue) => identity(spiffeId.collector({ trustDomain, ...parts }), issue),
  };
}
