import { enqueueEvents, sql, type Store, type Transaction } from "@drawbridge/store";
import { eventScopeOf, type CertificateRecord } from "../domain/certificate.ts";
import { createGroupCommit } from "../domain/group-commit.ts";
import { recordFromRow, selectRecords } from "./certificate-record.ts";
import type { CertAuthorityDb } from "./schema.ts";

/** A certificate was seen in use. */
export interface Activation {
  readonly serialNumber: string;
  readonly now: Date;
  /** Of the request, for the event that tells. */
  readonly traceparent: string;
}

export interface ActivationQueue {
  /** The record after that, or undefined if there is none. */
  activate(activation: Activation): Promise<CertificateRecord | undefined>;
}

const maxGroup = 128;
/** Far more than agents that can say hello at once: what waits here is a serial number and a promise. */
const limit = 20_000;
const retryAfterMs = 1_000;

/** After a herd of renewals comes a herd of first uses: they share transactions, as the certificates did. */
export function createActivationQueue(store: Pick<Store<CertAuthorityDb>, "transaction">): ActivationQueue {
  const queue = createGroupCommit<Activation, { readonly record: CertificateRecord | undefined }>({
    limit,
    maxGroup,
    retryAfterMs,
    write: (activations) => store.transaction((tx) => activateCertificates(tx, activations)),
  });
  return { activate: async (activation) => (await queue.admit().submit(activation)).record };
}

async function activateCertificates(
  tx: Transaction<CertAuthorityDb>,
  activations: readonly Activation[],
): Promise<readonly { readonly record: CertificateRecord | undefined }[]> {
  const bySerial = new Map(activations.map((activation) => [activation.serialNumber, activation]));
  const serials = [...bySerial.keys()];
  // Older certificates of a fabric's name are revoked after a grace time; services have replicas under one name.
  const { rows: first } = await sql<{ serial_number: string; spiffe_id: string; fabric_id: string | null }>`
    UPDATE certificate SET activated_at = asked.now, is_superseding = certificate.fabric_id IS NOT NULL
    FROM unnest(${serials}::text[], ${serials.map((serial) => bySerial.get(serial)?.now)}::timestamptz[])
      AS asked (serial_number, now)
    WHERE certificate.serial_number = asked.serial_number AND certificate.activated_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM revocation WHERE revocation.serial_number = certificate.serial_number)
    RETURNING certificate.serial_number, certificate.spiffe_id, certificate.fabric_id
  `.execute(tx);
  await enqueueEvents(
    tx,
    first.flatMap((row) => {
      const activation = bySerial.get(row.serial_number);
      if (!activation) return [];
      return {
        type: "certs.certificate.activated.v1" as const,
        scope: eventScopeOf({ fabricId: row.fabric_id ?? undefined }),
        occurredAt: activation.now,
        traceparent: activation.traceparent,
        payload: { serialNumber: row.serial_number, spiffeId: row.spiffe_id },
      };
    }),
  );
  const rows = await selectRecords(tx).where("certificate.serial_number", "in", serials).execute();
  const records = new Map(rows.map((row) => [row.serial_number, recordFromRow(row)]));
  return activations.map(({ serialNumber }) => ({ record: records.get(serialNumber) }));
}
