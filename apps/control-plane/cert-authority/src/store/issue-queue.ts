import type { Store } from "@drawbridge/store";
import type { Metrics } from "@drawbridge/telemetry";
import type { SignedCertificate } from "../domain/certificate.ts";
import { createGroupCommit, type GroupCommit } from "../domain/group-commit.ts";
import type { RecordOutcome } from "../domain/issue-certificate.ts";
import type { NameLimit } from "../domain/name-limit.ts";
import { recordCertificates } from "./record-certificates.ts";
import type { CertAuthorityDb } from "./schema.ts";

export interface IssueQueueOptions {
  readonly store: Pick<Store<CertAuthorityDb>, "transaction">;
  readonly limit: number;
  readonly nameLimit: NameLimit;
  readonly metrics: Metrics;
}

/** Largest group: about 150 KB of rows, well below what a statement may take. */
const maxGroup = 128;
const retryAfterMs = 250;

/** The queue between signing and answering: nothing leaves it that is not in the table. */
export function createIssueQueue(options: IssueQueueOptions): GroupCommit<SignedCertificate, RecordOutcome> {
  const { store, metrics } = options;
  const issued = metrics.counter("certificates_issued", { description: "certificates recorded" });
  const groupSize = metrics.histogram("issue_group_certificates", {
    description: "certificates written in one transaction",
    buckets: [1, 2, 4, 8, 16, 32, 64, 128],
  });
  const queue = createGroupCommit<SignedCertificate, RecordOutcome>({
    limit: options.limit,
    maxGroup,
    retryAfterMs,
    write: async (certificates) => {
      const outcomes = await recordCertificates(store, certificates, options.nameLimit);
      groupSize.record(certificates.length);
      issued.add(outcomes.filter(({ outcome }) => outcome === "recorded").length);
      return outcomes;
    },
  });
  metrics.gauge("issue_queue_certificates", { description: "certificates in work" }, () => queue.pending);
  return queue;
}
