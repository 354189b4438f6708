import type { Clock, IdSource } from "@drawbridge/lifecycle";
import { assertLeafTtl, parseKeyEncryptionKeys } from "@drawbridge/pki";
import { openStore } from "@drawbridge/store";
import type { Logger } from "@drawbridge/telemetry";
import type { BootstrapConfig } from "../config.ts";
import { lockAuthority, openCaKeys, readAuthorityState } from "../store/ca-key-repository.ts";
import { recordCertificates } from "../store/record-certificates.ts";
import type { CertAuthorityDb } from "../store/schema.ts";
import { loadAuthority } from "./authority.ts";
import { bootstrapAuthority } from "./bootstrap-authority.ts";
import { writeServiceIdentities } from "./write-service-identities.ts";

export interface RunBootstrapOptions {
  readonly config: BootstrapConfig;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly ids: IdSource;
}

/** How long the database may be away before the job gives up. */
const startTimeoutMs = 60_000;

/**
 * The bootstrap job: make the CA if there is none, then an identity for every service that has no fresh one. Safe to
 * repeat and to run twice at once.
 */
export async function runBootstrap({ config, logger, clock, ids }: RunBootstrapOptions): Promise<void> {
  const keks = parseKeyEncryptionKeys(config.KEY_ENCRYPTION_KEY_FILE.reveal());
  const store = openStore<CertAuthorityDb>({
    url: config.DATABASE_URL_FILE,
    schema: "cert_authority",
    logger,
    maxConnections: 2, // one holds the lock while the other records
    clock,
  });
  await store.start(AbortSignal.timeout(startTimeoutMs));
  try {
    const issuingTtlSeconds = config.ISSUING_CA_TTL_SECONDS;
    assertLeafTtl({ ttlSeconds: config.LEAF_TTL_SECONDS, mode: config.LEAF_TTL_MODE, issuingTtlSeconds });
    const trustDomain = config.TRUST_DOMAIN;
    const outcome = await bootstrapAuthority({ store, keks, trustDomain, issuingTtlSeconds, clock, ids });
    logger.info({ outcome, trust_domain: trustDomain }, "certificate authority is there");
    const source = {
      state: () => readAuthorityState(store.db),
      openKeys: (keyIds: readonly string[]) => openCaKeys(store.db, keyIds, keks),
    };
    const authority = await loadAuthority(source, trustDomain);
    const services = await store.transaction(async (tx) => {
      await lockAuthority(tx); // of two bootstraps the second one finds fresh identities
      return writeServiceIdentities({
        directory: config.IDENTITIES_DIR,
        authority,
        leafTtlSeconds: config.LEAF_TTL_SECONDS,
        record: (certificates) => recordCertificates(store, certificates, undefined),
        clock,
        ids,
      });
    });
    logger.info({ services }, "service identities written");
  } finally {
    await store.stop(AbortSignal.timeout(5_000));
  }
}
