import { mkdir, readlink, rename, rm, symlink } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { syncFolder } from "@drawbridge/durable-files";
import type { Clock } from "@drawbridge/lifecycle";
import { generateKeyPair, importPrivateKeyPem, parseCertificate, pemToDerAll, type KeyPair } from "@drawbridge/pki";
import type { Logger } from "@drawbridge/telemetry";
import { readdirIfPresent, readFileIfPresent, removeTemporaryFiles, writeFileAtomic } from "../state/atomic-file.ts";
import { parseJson } from "../state/json-file.ts";
import { moveAside } from "../state/move-aside.ts";
import { identityMetaSchema, type IdentityMeta } from "./identity-meta.ts";

/** A certificate with its key and what belongs to it, read from one generation. */
export interface StoredIdentity {
  /** PEM, leaf first. */
  readonly certificateChainPem: string;
  /** PKCS#8, PEM. */
  readonly privateKeyPem: string;
  readonly meta: IdentityMeta;
}

/**
 * `gen-N/{tls.crt,tls.key,meta.json}` and a link `current` that is switched in one step (design R19). The key of the
 * next generation waits in `next/` until its certificate is here, so that an interrupted activation goes on with it.
 */
export interface IdentityStore {
  /** The generation in use; an older one where the newest is unusable; undefined where there is none. */
  load(): Promise<StoredIdentity | undefined>;
  /** A generation by its number, in use or staged; undefined where it is not there or unusable. */
  read(generation: number): Promise<StoredIdentity | undefined>;
  /** Whether an activation was begun and not finished. */
  hasNextKey(): Promise<boolean>;
  /** The key that waits for its certificate: the one made before, else a new one, durable before this resolves. */
  nextKey(): Promise<KeyPair>;
  /** Write a generation durably without switching to it; answers its number. */
  stage(
    identity: Omit<StoredIdentity, "meta"> & { readonly meta: Omit<IdentityMeta, "schemaVersion" | "generation"> },
  ): Promise<number>;
  /** Switch to a staged generation; it and the one before it are kept. May be repeated. */
  commit(generation: number): Promise<void>;
  /** The waiting key is done with: its certificate is in use. */
  discardNextKey(): Promise<void>;
}

const generationPattern = /^gen-(\d+)$/;

export function createIdentityStore(options: {
  readonly directory: string;
  readonly clock: Pick<Clock, "now">;
  readonly logger: Pick<Logger, "error">;
}): IdentityStore {
  const { directory, clock, logger } = options;
  const currentLink = join(directory, "current");
  const nextKeyPath = join(directory, "next", "tls.key");

  async function generations(): Promise<readonly number[]> {
    const names = await readdirIfPresent(directory);
    const numbers = names.flatMap((name) => generationPattern.exec(name)?.[1] ?? []).map(Number);
    return numbers.toSorted((a, b) => b - a);
  }

  async function currentGeneration(): Promise<number | undefined> {
    const target = await readlink(currentLink).catch(() => "");
    const number = generationPattern.exec(target)?.[1];
    return number === undefined ? undefined : Number(number);
  }

  /** Of those that were written to their end: meta.json comes last. */
  async function newestBefore(generation: number): Promise<number | undefined> {
    for (const number of await generations()) {
      const isWhole = (await readFileIfPresent(join(directory, `gen-${number}`, "meta.json"))) !== undefined;
      if (number < generation && isWhole) return number;
    }
    return undefined;
  }

  async function read(generation: number): Promise<StoredIdentity | undefined> {
    const folder = join(directory, `gen-${generation}`);
    const [certificateChainPem, privateKeyPem, metaText] = await Promise.all(
      ["tls.crt", "tls.key", "meta.json"].map((name) => readFileIfPresent(join(folder, name))),
    );
    const problem = problemOf({ certificateChainPem, privateKeyPem });
    const meta = parseJson(metaText ?? "", identityMetaSchema);
    if (
      problem === undefined &&
      meta.outcome === "parsed" &&
      certificateChainPem !== undefined &&
      privateKeyPem !== undefined
    ) {
      return { certificateChainPem, privateKeyPem, meta: meta.value };
    }
    const reason = problem ?? (meta.outcome === "unusable" ? `meta.json: ${meta.reason}` : "incomplete");
    if ((await readdirIfPresent(folder)).length > 0) await moveAside(folder, { now: clock.now(), reason, logger });
    return undefined;
  }

  async function link(generation: number): Promise<void> {
    const temporary = join(directory, `.tmp-current-${randomBytes(6).toString("hex")}`);
    await symlink(`gen-${generation}`, temporary);
    await rename(temporary, currentLink);
    await syncFolder(directory);
  }

  return {
    async load() {
      const current = await currentGeneration();
      if (current === undefined) return undefined; // a staged generation was never switched to
      const older = (await generations()).filter((generation) => generation < current);
      for (const generation of [current, ...older]) {
        const identity = await read(generation);
        if (identity === undefined) continue;
        if (generation !== current) await link(generation);
        return identity;
      }
      return undefined;
    },
    read,
    hasNextKey: async () => (await readFileIfPresent(nextKeyPath)) !== undefined,
    async nextKey() {
      const pem = await readFileIfPresent(nextKeyPath);
      if (pem !== undefined) {
        try {
          return importPrivateKeyPem(pem);
        } catch {
          await moveAside(nextKeyPath, { now: clock.now(), reason: "not a usable private key", logger });
        }
      }
      const keyPair = await generateKeyPair();
      await writeFileAtomic(nextKeyPath, keyPair.privateKeyPem());
      return keyPair;
    },
    async stage({ certificateChainPem, privateKeyPem, meta }) {
      const generation = ((await generations())[0] ?? 0) + 1;
      const folder = join(directory, `gen-${generation}`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFileAtomic(join(folder, "tls.key"), privateKeyPem);
      await writeFileAtomic(join(folder, "tls.crt"), certificateChainPem);
      const document: IdentityMeta = { schemaVersion: 1, generation, ...meta };
      await writeFileAtomic(join(folder, "meta.json"), `${JSON.stringify(document, undefined, 2)}\n`);
      await syncFolder(directory);
      return generation;
    },
    async commit(generation) {
      const current = await currentGeneration();
      if (current !== generation) await link(generation);
      await removeTemporaryFiles(directory);
      // Switched already: by a process that may have died before it removed what is too old, and with it private keys.
      const previous = current === generation ? await newestBefore(generation) : current;
      const old = (await generations()).filter((number) => number !== generation && number !== previous);
      for (const number of old) await rm(join(directory, `gen-${number}`), { recursive: true, force: true });
    },
    discardNextKey: () => rm(join(directory, "next"), { recursive: true, force: true }),
  };
}

/** Why a pair cannot be used; undefined when it can. */
function problemOf(pair: {
  readonly certificateChainPem: string | undefined;
  readonly privateKeyPem: string | undefined;
}): string | undefined {
  if (pair.certificateChainPem === undefined) return "tls.crt is missing";
  if (pair.privateKeyPem === undefined) return "tls.key is missing";
  try {
    const [leaf] = pemToDerAll(pair.certificateChainPem);
    if (leaf === undefined) return "tls.crt holds no certificate";
    const { privateKey } = importPrivateKeyPem(pair.privateKeyPem);
    return parseCertificate(leaf).checkPrivateKey(privateKey) ? undefined : "tls.key does not belong to tls.crt";
  } catch {
    return "tls.crt or tls.key cannot be read";
  }
}
