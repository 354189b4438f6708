import { join } from "node:path";
import type { Clock, IdSource } from "@drawbridge/lifecycle";
import {
  chainToPem,
  createLeafCertificate,
  generateKeyPair,
  loadIdentityDir,
  saveIdentityDir,
  spiffeId,
  spkiSha256,
  type TrustBundle,
} from "@drawbridge/pki";
import type { SignedCertificate } from "../domain/certificate.ts";
import type { LoadedAuthority } from "./authority.ts";

/** Every service of the control plane: each gets an identity at the bootstrap. */
export const controlPlaneServices = [
  "activation",
  "alerting",
  "analytics-ingest",
  "api-manager",
  "cert-authority",
  "config-resolver",
  "management-api",
  "monitoring-ingest",
  "runtime-manager",
] as const;

export interface WriteServiceIdentitiesOptions {
  readonly directory: string;
  readonly authority: LoadedAuthority;
  readonly leafTtlSeconds: number;
  /** Durable when it resolves. */
  readonly record: (certificates: readonly SignedCertificate[]) => Promise<unknown>;
  readonly clock: Pick<Clock, "now">;
  readonly ids: IdSource;
}

/**
 * Give each service whose identity is missing, not usable, or past half of its life a new one. Services renew their own
 * afterwards. Returns the names of the services that got one.
 */
export async function writeServiceIdentities(options: WriteServiceIdentitiesOptions): Promise<readonly string[]> {
  const written: string[] = [];
  for (const service of controlPlaneServices) {
    const directory = join(options.directory, service);
    const expected = spiffeId.service({ trustDomain: options.authority.trustBundle.trustDomain, service });
    if (await isFresh(directory, expected, options)) continue;
    await writeIdentity(directory, expected, options);
    written.push(service);
  }
  return written;
}

async function isFresh(
  directory: string,
  expected: string,
  { authority, clock }: WriteServiceIdentitiesOptions,
): Promise<boolean> {
  const now = clock.now();
  const found = await loadIdentityDir(directory, now).catch(() => undefined); // not usable: a new one is written
  if (!found || found.spiffeId !== expected || !isSameTrust(found.trustBundle, authority.trustBundle)) return false;
  return now.getTime() < (found.notBefore.getTime() + found.notAfter.getTime()) / 2;
}

function isSameTrust(left: TrustBundle, right: TrustBundle): boolean {
  return (
    left.sequence === right.sequence &&
    left.rootsDer.length === right.rootsDer.length &&
    left.rootsDer.every((der, index) => Buffer.from(der).equals(right.rootsDer[index] ?? Buffer.alloc(0)))
  );
}

async function writeIdentity(directory: string, name: string, options: WriteServiceIdentitiesOptions): Promise<void> {
  const { authority, clock, ids } = options;
  const keyPair = await generateKeyPair();
  const now = clock.now();
  const issuing = authority.issuingFor("service");
  const leaf = await createLeafCertificate({
    issuer: issuing,
    spkiDer: keyPair.spkiDer,
    spiffeId: name,
    now,
    ttlSeconds: options.leafTtlSeconds,
  });
  await options.record([
    {
      ...leaf,
      issuerId: issuing.id,
      requestId: ids.next(),
      fabricId: undefined,
      spkiSha256: spkiSha256(keyPair.spkiDer),
      issuedAt: now,
      decidedAt: now,
      callerSerialNumber: undefined,
      traceparent: "",
    },
  ]);
  const material = {
    certificateChainPem: chainToPem([leaf.certificateDer, issuing.certificateDer]),
    privateKeyPem: keyPair.privateKeyPem(),
    trustBundle: authority.trustBundle,
  };
  await saveIdentityDir(directory, material, now);
}
