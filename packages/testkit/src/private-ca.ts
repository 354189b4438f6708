import { randomUUID, webcrypto, type webcrypto as crypto } from "node:crypto";
import type { ServerCertificate } from "./server-certificate.ts";

/** A CA of somebody's own, as in front of an issuer of tokens inside a company; none of the platform. */
export interface PrivateCa {
  readonly certificatePem: string;
  /** For servers at this IP address. */
  issueServer(address: string): Promise<ServerCertificate>;
}

const dayMs = 86_400_000;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export async function createPrivateCa(): Promise<PrivateCa> {
  // Only when one is made: every test file loads this package.
  await import("reflect-metadata");
  const { X509CertificateGenerator, BasicConstraintsExtension, SubjectAlternativeNameExtension } =
    await import("@peculiar/x509");
  const times = { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + dayMs) };
  const makeKeys = (): Promise<crypto.CryptoKeyPair> =>
    webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const ca = await makeKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=private CA ${randomUUID()}`, // of two of one name TLS would try only one
      ...times,
      keys: ca,
      signingAlgorithm: algorithm,
      extensions: [new BasicConstraintsExtension(true, undefined, true)],
    },
    webcrypto,
  );
  return {
    certificatePem: certificate.toString("pem"),
    issueServer: async (address) => {
      const keys = await makeKeys();
      const leaf = await X509CertificateGenerator.create(
        {
          subject: `CN=${address}`,
          issuer: certificate.subject,
          ...times,
          publicKey: keys.publicKey,
          signingKey: ca.privateKey,
          signingAlgorithm: algorithm,
          extensions: [new SubjectAlternativeNameExtension([{ type: "ip", value: address }])],
        },
        webcrypto,
      );
      const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
      return {
        certificatePem: leaf.toString("pem"),
        privateKeyPem: `-----BEGIN PRIVATE KEY-----\n${key.replace(/.{64}/g, "$&\n")}\n-----END PRIVATE KEY-----\n`,
      };
    },
  };
}
