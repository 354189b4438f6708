/** One PEM block (RFC 7468), 64 characters to a line, with a line end. */
export function derToPem(der: Uint8Array, label: "CERTIFICATE" | "X509 CRL"): string {
  const base64 = Buffer.from(der).toString("base64");
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

const block = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g;

/** Every certificate in a PEM text, DER, in the order of the text. */
export function pemToDerAll(pem: string): readonly Uint8Array[] {
  return [...pem.matchAll(block)].map((match) => new Uint8Array(Buffer.from(match[1] ?? "", "base64")));
}

/** The only certificate in a PEM text. */
export function pemToDer(pem: string): Uint8Array {
  const [first, ...rest] = pemToDerAll(pem);
  if (!first || rest.length > 0) throw new Error("expected exactly one PEM certificate");
  return first;
}
