import { randomBytes } from "node:crypto";
import { AsnConvert, AsnProp, AsnPropTypes, AsnType, AsnTypeTypes } from "@peculiar/asn1-schema";
import { AlgorithmIdentifier } from "@peculiar/asn1-x509";
import { createDerTemplate } from "./der-template.ts";

/** ecdsa-with-SHA256 (RFC 5758 3.2); no parameters. */
export const ecdsaWithSha256 = "1.2.840.10045.4.3.2";

/**
 * SIGNED{} of X.509: what was signed, the algorithm, the signature. The outer shape of certificates, CSRs and revocation
 * lists (RFC 5280 4.1, 5.1; RFC 2986 4.2). The content goes in as it was signed, byte for byte.
 */
class SignedDocument {
  content = new ArrayBuffer(0);
  algorithm = new AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });
  signature = new ArrayBuffer(0);
}
// The library's schema, written as calls: decorators are not erasable.
AsnType({ type: AsnTypeTypes.Sequence })(SignedDocument);
AsnProp({ type: AsnPropTypes.Any })(SignedDocument.prototype, "content");
AsnProp({ type: AlgorithmIdentifier })(SignedDocument.prototype, "algorithm");
AsnProp({ type: AsnPropTypes.BitString })(SignedDocument.prototype, "signature");

interface SignedParts {
  readonly content: Uint8Array;
  readonly signature: Uint8Array;
}

/** Combinations of lengths whose templates are kept. */
const maxTemplates = 64;

/** An encoder of signed documents that remembers the shapes it has seen. */
export function createSignedEncoder(): (parts: SignedParts) => Uint8Array {
  const templates = new Map<string, (parts: SignedParts) => Uint8Array>();
  return (parts) => {
    const shape = `${parts.content.length}/${parts.signature.length}`;
    let template = templates.get(shape);
    if (!template) {
      const sample = (): SignedParts => ({ content: parts.content, signature: randomBytes(parts.signature.length) });
      template = createDerTemplate<SignedParts>({
        encode: encodeSigned,
        slots: ({ content, signature }) => [content, signature],
        samples: [sample(), sample()],
      });
      if (templates.size >= maxTemplates) templates.clear();
      templates.set(shape, template);
    }
    return template(parts);
  };
}

/** One signed document; who makes many keeps a `createSignedEncoder`. */
export function encodeSigned({ content, signature }: SignedParts): Uint8Array {
  const document = new SignedDocument();
  document.content = new Uint8Array(content).buffer; // copies that own their memory: Node's small buffers share a pool
  document.signature = new Uint8Array(signature).buffer;
  return new Uint8Array(AsnConvert.serialize(document));
}
