import { webcrypto } from "node:crypto";

/** A pair as an operator puts it into a folder for a server of the web. */
export interface ServerCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

const dayMs = 86_400_000;

/** Self-signed, for these DNS names; no certificate of the platform. */
export async function createServerCertificate(
  names: readonly string[],
  validity: { readonly notBefore?: Date; readonly notAfter?: Date } = {},
): Promise<ServerCertificate> {
  // Only when one is made: every test file loads this package.
  await import("reflect-metadata");
  const { X509CertificateGenerator, SubjectAlternativeNameExtension } = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${names[0] ?? "nobody"}`,
      notBefore: validity.notBefore ?? new Date(Date.now() - dayMs),
      notAfter: validity.notAfter ?? new Date(Date.now() + dayMs),
      keys,
      signingAlgorithm: algorithm,
      extensions: [new SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns" as const, value })))],
    },
    webcrypto,
  );
  const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  return {
    certificatePem: `${certificate.toString("pem")}\n`,
    privateKeyPem: `-----BEGIN PRIVATE KEY-----\n${key.replace(/.{64}/g, "$&\n")}\n-----END PRIVATE KEY-----\n`,
  };
}
