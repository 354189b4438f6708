import { AsnConvert } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  Certificate,
  CRLNumber,
  CRLReason,
  CRLReasons,
  id_ce_cRLNumber,
  id_ce_cRLReasons,
  RevokedCertificate,
  TBSCertList,
  Time,
  Version,
} from "@peculiar/asn1-x509";
import {
  arrayBufferOf,
  authorityKeyExtension,
  extension,
  signTbs,
  wholeSeconds,
  type SigningCa,
} from "./certificate.ts";
import { ecdsaWithSha256 } from "./signed-der.ts";

/** Why, where one of the standard's reasons says it (RFC 5280 5.3.1); an unspecified one is left out. */
export type RevocationListReason = "superseded" | "cessationOfOperation";

export interface RevocationListOptions {
  readonly issuer: SigningCa;
  /** Grows with every list (RFC 5280 5.2.3). */
  readonly number: number;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly revoked: readonly {
    readonly serialNumber: string;
    readonly revokedAt: Date;
    readonly reason?: RevocationListReason;
  }[];
}

/** A CRL (RFC 5280 5), version 2, signed by the issuing CA. DER. */
export function createRevocationList(options: RevocationListOptions): Promise<Uint8Array> {
  const ca = AsnConvert.parse(options.issuer.certificateDer, Certificate).tbsCertificate;
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });
  const revokedCertificates = options.revoked.map(
    ({ serialNumber, revokedAt, reason }) =>
      new RevokedCertificate({
        userCertificate: arrayBufferOf(Buffer.from(serialNumber, "hex")),
        revocationDate: new Time(wholeSeconds(revokedAt)),
        ...(reason === undefined ? {} : { crlEntryExtensions: [reasonExtension(reason)] }),
      }),
  );
  const tbsCertList = new TBSCertList({
    version: Version.v2,
    signature: signatureAlgorithm,
    issuer: ca.subject,
    thisUpdate: new Time(wholeSeconds(options.thisUpdate)),
    nextUpdate: new Time(wholeSeconds(options.nextUpdate)),
    // RFC 5280 5.1.2.6: an empty list is left out.
    ...(revokedCertificates.length > 0 ? { revokedCertificates } : {}),
    crlExtensions: [
      authorityKeyExtension(ca.subjectPublicKeyInfo),
      extension({ id: id_ce_cRLNumber, critical: false, value: new CRLNumber(options.number) }),
    ],
  });
  const tbs = new Uint8Array(AsnConvert.serialize(tbsCertList));
  return Promise.resolve(signTbs(tbs, options.issuer.privateKey));
}

function reasonExtension(reason: RevocationListReason) {
  return extension({ id: id_ce_cRLReasons, critical: false, value: new CRLReason(CRLReasons[reason]) });
}
