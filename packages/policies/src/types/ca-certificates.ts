import { X509Certificate } from "node:crypto";
import { z } from "zod";
import type { FieldProblem } from "../validate-policy.ts";

const mostCertificates = 10;

const caCertificate = z
  .string()
  .min(1)
  .max(16_384)
  .superRefine((pem, context) => {
    const problem = findCertificateProblem(pem);
    if (problem) context.addIssue({ code: "custom", message: problem });
  });

/**
 * CAs of an issuer's own. That one has expired is no error here: a gateway that restarts must not close an API for it, as the
 * connection fails anyhow; a save looks at it with `expiredCertificates`.
 */
export const caCertificatesField = z
  .array(caCertificate)
  .min(1)
  .max(mostCertificates)
  .optional()
  .describe("CA certificates, one PEM each, to trust at the issuer instead of the system's");

/** As `OutboundRequest` takes them. */
export function trustOf(caCertificates: readonly string[] | undefined): { readonly trustedRoots?: string } {
  return caCertificates === undefined ? {} : { trustedRoots: caCertificates.map((pem) => pem.trim()).join("\n") };
}

/** @param field path of the list in the configuration */
export function expiredCertificates(
  caCertificates: readonly string[] | undefined,
  { field, now }: { readonly field: string; readonly now: Date },
): readonly FieldProblem[] {
  return (caCertificates ?? []).flatMap((pem, index) => {
    const { validToDate } = new X509Certificate(pem);
    if (validToDate > now) return [];
    return [{ field: `${field}[${index}]`, message: `has expired, on ${validToDate.toISOString()}` }];
  });
}

function findCertificateProblem(pem: string): string | undefined {
  const blocks = pem.match(/-----BEGIN [A-Z0-9 ]+-----/g) ?? [];
  if (blocks.some((block) => block.includes("PRIVATE KEY"))) return "holds a private key: give the certificate alone";
  if (blocks.length > 1) return "holds more than one: give each certificate as an item of its own";
  if (blocks[0] !== "-----BEGIN CERTIFICATE-----") return "is no certificate in PEM";
  try {
    return new X509Certificate(pem).ca ? undefined : "is no certificate of a CA (basicConstraints)";
  } catch {
    return "is no certificate in PEM";
  }
}
