import { createHash } from "node:crypto";
import { readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { isDrawbridgeError } from "@drawbridge/errors";
import { parseTrustBundleJson, validateIdentity, type IdentitySnapshot } from "@drawbridge/pki";

/** Where the agent keeps what the collector uses (design R19; apps/fabric/agent/src/state/state-layout.ts). */
export interface CredentialFiles {
  /** Folder with `gen-N/{tls.crt,tls.key}` and the link `current`. */
  readonly monitoring: string;
  readonly trustBundle: string;
}

export function credentialFiles(stateDir: string): CredentialFiles {
  return { monitoring: join(stateDir, "monitoring"), trustBundle: join(stateDir, "trust", "bundle.json") };
}

/** Certificate, key and trust bundle that were checked as one. */
export interface Credentials {
  /** Of all three files. */
  readonly digest: string;
  readonly identity: IdentitySnapshot;
}

export type Reading =
  | { readonly outcome: "absent"; readonly reason: string }
  | { readonly outcome: "unusable"; readonly digest: string; readonly reason: string }
  | { readonly outcome: "usable"; readonly credentials: Credentials };

/** The files of one generation, as they were at one moment. */
export interface CredentialTexts {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
  readonly trustBundleJson: string;
}

/** The agent renames a link a few times a year; twice while we read three files is enough to wait for the next look. */
const maxTries = 5;

/** Read pair and trust bundle; the pair comes from the one generation that `current` named before and after. */
export async function readCredentialTexts(
  files: CredentialFiles,
): Promise<CredentialTexts | { readonly missing: string }> {
  const link = join(files.monitoring, "current");
  for (let tries = 0; tries < maxTries; tries += 1) {
    const generation = await readlink(link).catch(() => undefined); // told below: there is none
    if (generation === undefined) return { missing: link };
    const folder = join(files.monitoring, generation);
    const paths = [join(folder, "tls.crt"), join(folder, "tls.key"), files.trustBundle];
    const [certificateChainPem, privateKeyPem, trustBundleJson] = await Promise.all(paths.map(readText));
    if ((await readlink(link).catch(() => undefined)) !== generation) continue; // switched meanwhile: read the new one
    if (certificateChainPem === undefined || privateKeyPem === undefined || trustBundleJson === undefined) {
      const texts = [certificateChainPem, privateKeyPem, trustBundleJson];
      return { missing: paths[texts.indexOf(undefined)] ?? folder };
    }
    return { certificateChainPem, privateKeyPem, trustBundleJson };
  }
  return { missing: `${link}, which does not stand still` };
}

/** Check the three files as one unit at `now`: key, chain to the trust bundle, validity, and that it is a collector's. */
export function checkCredentials(texts: CredentialTexts, now: Date): Reading {
  const digest = digestOf(texts);
  try {
    const identity = validateIdentity({ ...texts, trustBundle: parseTrustBundleJson(texts.trustBundleJson) }, now);
    if (identity.identity.kind !== "collector") {
      return {
        outcome: "unusable",
        digest,
        reason: `the certificate names ${identity.spiffeId}, which is no collector`,
      };
    }
    return { outcome: "usable", credentials: { digest, identity } };
  } catch (error) {
    const reason = isDrawbridgeError(error) ? error.message : "certificate or key cannot be read";
    return { outcome: "unusable", digest, reason };
  }
}

export function digestOf(texts: CredentialTexts): string {
  const hash = createHash("sha256");
  for (const text of [texts.certificateChainPem, texts.privateKeyPem, texts.trustBundleJson]) {
    hash.update(`${text.length}\n${text}`);
  }
  return hash.digest("hex");
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return undefined; // whoever asks names the file
  }
}
