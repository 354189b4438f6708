import type { Clock } from "@drawbridge/lifecycle";
import type { KeyEncryptionKeys } from "@drawbridge/pki";
import {
  configurationDigest,
  openConfiguration,
  sealConfiguration,
  type SealedConfiguration,
} from "../crypto/configuration-cipher.ts";
import type { ArtefactDigest } from "./artefact-digest.ts";
import { encodeConfiguration, type ConfigurationDocument } from "./configuration-document.ts";

/** A configuration as it is kept. */
export interface StoredConfiguration extends SealedConfiguration {
  readonly digest: ArtefactDigest;
  readonly org: string;
  /** Of the document in the clear. */
  readonly sizeBytes: number;
  readonly createdAt: Date;
}

export interface ConfigurationRecords {
  /**
   * Keep a configuration; the one that is there already under this digest is the same, and the grace period of the garbage
   * collection begins anew for it.
   */
  save(configuration: StoredConfiguration): Promise<void>;
  find(digest: ArtefactDigest): Promise<SealedConfiguration | undefined>;
}

export interface Configurations {
  /** Keep a document, encrypted. The same document of the same organisation has the same digest, always. */
  put(
    org: string,
    document: ConfigurationDocument,
  ): Promise<{ readonly digest: ArtefactDigest; readonly sizeBytes: number }>;
  /** The document in the clear, as JSON. */
  read(digest: ArtefactDigest): Promise<Buffer | undefined>;
}

export function createConfigurations(deps: {
  readonly repository: ConfigurationRecords;
  readonly keks: KeyEncryptionKeys;
  readonly digestKey: () => Uint8Array;
  readonly clock: Pick<Clock, "now">;
}): Configurations {
  const { repository, keks } = deps;
  return {
    put: async (org, document) => {
      const plain = encodeConfiguration(document);
      const digest = configurationDigest(deps.digestKey(), org, plain);
      const sizeBytes = plain.byteLength;
      await repository.save({
        ...sealConfiguration(plain, digest, keks),
        digest,
        org,
        sizeBytes,
        createdAt: deps.clock.now(),
      });
      return { digest, sizeBytes };
    },
    read: async (digest) => {
      const sealed = await repository.find(digest);
      return sealed && openConfiguration(sealed, digest, keks);
    },
  };
}
