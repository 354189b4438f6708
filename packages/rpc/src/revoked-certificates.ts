/** A revocation as the listeners need it. */
export interface Revocation {
  /** Lower-case hex; "" if the certificate is known by its fingerprint only. */
  readonly serialNumber: string;
  /** SHA-256 of the certificate (DER), lower-case hex; "" if it is known by its serial number only. */
  readonly fingerprintSha256: string;
  /** "superseded", "the fabric was deleted", or what the operator wrote. */
  readonly reason: string;
  /** When the certificate expires by itself; undefined if nobody knows: it is then never forgotten. */
  readonly notAfter: Date | undefined;
}

/** What names the certificate of a peer. */
export interface ShownCertificate {
  readonly serialNumber: string;
  readonly fingerprintSha256: string;
}

export interface RevokedCertificates {
  readonly size: number;
  /** Answers whether it is news. */
  add(revocation: Revocation): boolean;
  find(certificate: ShownCertificate): { readonly reason: string } | undefined;
  /** Forget what expired more than a day before `now`: TLS refuses it anyway, also where a clock is behind. */
  forgetExpired(now: Date): void;
}

interface Entry {
  readonly reason: string;
  readonly forgetAtMs: number;
}

const keptAfterExpiryMs = 86_400_000;
/** Operators write reasons by hand; beyond so many different ones the texts are not shared. */
const maxSharedReasons = 1_000;

/**
 * Revocations by serial number, or by fingerprint where there is no number. One small entry each: 100,000 take about
 * 20 MiB. There is no upper limit but the life of certificates, because leaving one out would let it in.
 */
export function createRevokedCertificates(): RevokedCertificates {
  const entries = new Map<string, Entry>();
  const reasons = new Map<string, string>();

  /** Every decoded message brings a copy of the text; one is enough. */
  function shared(reason: string): string {
    const known = reasons.get(reason);
    if (known !== undefined) return known;
    if (reasons.size < maxSharedReasons) reasons.set(reason, reason);
    return reason;
  }

  return {
    get size() {
      return entries.size;
    },
    add: (revocation) => {
      const key = revocation.serialNumber === "" ? fingerprintKey(revocation) : revocation.serialNumber;
      const isNews = !entries.has(key);
      const forgetAtMs = (revocation.notAfter?.getTime() ?? Infinity) + keptAfterExpiryMs;
      entries.set(key, { reason: shared(revocation.reason), forgetAtMs });
      return isNews;
    },
    find: (certificate) => entries.get(certificate.serialNumber) ?? entries.get(fingerprintKey(certificate)),
    forgetExpired: (now) => {
      for (const [key, { forgetAtMs }] of entries) if (now.getTime() >= forgetAtMs) entries.delete(key);
    },
  };
}

/** No serial number has a colon. */
function fingerprintKey({ fingerprintSha256 }: { readonly fingerprintSha256: string }): string {
  return `sha256:${fingerprintSha256}`;
}
