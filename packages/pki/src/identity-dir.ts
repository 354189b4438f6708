import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, readFile, readlink, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "@drawbridge/durable-files";
import { DrawbridgeError } from "@drawbridge/errors";
import { validateIdentity, type IdentityMaterial, type IdentitySnapshot } from "./identity.ts";
import { parseTrustBundleJson, trustBundleToJson } from "./trust-bundle.ts";

/**
 * An identity folder is laid out as Kubernetes lays out a Secret volume: the files are links through `..data`, which is
 * a link to the generation in use. Replacing that one link swaps all files at once, whatever is killed in between; a
 * reader resolves it once and reads its files from one generation (design R19).
 */
export const identityFiles = {
  certificate: "tls.crt",
  privateKey: "tls.key",
  trustBundle: "trust-bundle.json",
} as const;
const currentLink = "..data";
const generationPrefix = "..gen-";
const keepYoungerThanMs = 60_000;

/**
 * Write and make durable: files 0600, folders 0700; old generations are removed. `now` names the generation.
 */
export async function saveIdentityDir(directory: string, material: IdentityMaterial, now: Date): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const generation = `${generationPrefix}${stampOf(now)}-${randomBytes(4).toString("hex")}`;
  await mkdir(join(directory, generation), { mode: 0o700 });
  const contents = {
    [identityFiles.certificate]: material.certificateChainPem,
    [identityFiles.privateKey]: material.privateKeyPem,
    [identityFiles.trustBundle]: trustBundleToJson(material.trustBundle),
  };
  try {
    for (const [name, text] of Object.entries(contents)) await writeDurably(join(directory, generation, name), text);
    await syncFolder(join(directory, generation));
    await replaceLink(join(directory, currentLink), generation);
  } catch (error) {
    // Tried again and again on a full disk, halves of generations would pile up.
    await rm(join(directory, generation), { recursive: true, force: true });
    throw error;
  }
  for (const name of Object.keys(contents)) await replaceLink(join(directory, name), join(currentLink, name));
  await syncFolder(directory);
  await removeOldGenerations(directory, now);
}

/**
 * Read one generation and check it.
 * @throws DrawbridgeError `IDENTITY_MISSING` (unavailable): a file is not there; whatever `validateIdentity` throws
 */
export async function loadIdentityDir(directory: string, now: Date): Promise<IdentitySnapshot> {
  return validateIdentity(await readIdentityDir(directory), now);
}

/**
 * Read one generation without checking it: for who must look at an expired identity.
 * @throws DrawbridgeError `IDENTITY_MISSING` (unavailable) | `TRUST_BUNDLE_INVALID` (invalid_argument)
 */
export async function readIdentityDir(directory: string): Promise<IdentityMaterial> {
  const generation = await readlink(join(directory, currentLink)).catch(() => "."); // plain files are fine too
  const read = async (name: string): Promise<string> => {
    try {
      return await readFile(join(directory, generation, name), "utf8");
    } catch (cause) {
      throw missing(join(directory, name), cause);
    }
  };
  return {
    certificateChainPem: await read(identityFiles.certificate),
    privateKeyPem: await read(identityFiles.privateKey),
    trustBundle: parseTrustBundleJson(await read(identityFiles.trustBundle)),
  };
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(text);
  await file.sync();
}

async function replaceLink(path: string, target: string): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  await symlink(target, temporary);
  await rename(temporary, path);
}

/**
 * What a reader or another writer may be about to use stays: the generation in use, the newest two, and whatever is
 * younger than a minute.
 */
async function removeOldGenerations(directory: string, now: Date): Promise<void> {
  const used = await readlink(join(directory, currentLink)).catch(() => "");
  const names = (await readdir(directory)).filter((name) => name.startsWith(generationPrefix)).toSorted();
  const youngest = `${generationPrefix}${stampOf(new Date(now.getTime() - keepYoungerThanMs))}`;
  for (const name of names.slice(0, -2)) {
    if (name !== used && name < youngest) await rm(join(directory, name), { recursive: true, force: true });
  }
}

/** Sorts as text in the order of time. */
function stampOf(instant: Date): string {
  return String(instant.getTime()).padStart(15, "0");
}

function missing(path: string, cause: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "unavailable",
    code: "IDENTITY_MISSING",
    message: `the identity file ${path} cannot be read`,
    cause,
  });
}
