import type { CertificateRecord } from "@drawbridge/contracts/certs/v1/certificate_authority_service";
import type { Collector } from "@drawbridge/contracts/monitoring/v1/collector_service";
import type { Fabric } from "@drawbridge/contracts/runtime/v1/fabric_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { z } from "zod";
import { certificateSubject } from "../domain/certificate-subject.ts";
import { trustBundleStateOf } from "../domain/fabric-verdicts.ts";
import { stateOfRecord } from "./adapters/certificate-json.ts";
import { fabricToJson } from "./adapters/fabric-json.ts";
import { recoveryToJson } from "./adapters/recovery-json.ts";
import { instantOrNull, required, requiredInstant, safeNumber } from "./adapters/values.ts";
import { askPart, knownOr, type Part, unknownPartsOf } from "./part.ts";
import type { fabricDetailSchema } from "./schemas/fabric.ts";
import type { RouteServices } from "./services.ts";

type FabricDetailJson = z.output<typeof fabricDetailSchema>;
type HeldJson = FabricDetailJson["certificates"][number];

/** More than a fabric can have unexpired: a tunnel and a monitoring certificate, each renewed within half of its life. */
const mostRecords = 500;

/**
 * A fabric with what cert-authority, activation and monitoring-ingest know of it. They are asked at the same time; what one
 * of them does not answer is named in `unknown`, and everything else is shown.
 */
export async function fabricDetail(
  services: Pick<RouteServices, "certificates" | "recoveries" | "collectors" | "trustBundle" | "clock">,
  fabric: Fabric,
  signal: AbortSignal,
): Promise<FabricDetailJson> {
  const { certificates, trustBundle } = services;
  const { fabricId } = fabric;
  const authority = { service: "cert-authority", signal } as const;
  const [records, bundle, collector, recovery] = await Promise.all([
    askPart({ part: "certificates", ...authority }, async (options) => {
      const request = { fabricId, spiffeId: "", unexpiredOnly: true, pageSize: mostRecords, pageToken: "" };
      return (await certificates.listCertificates(request, options)).certificates;
    }),
    askPart({ part: "trustBundle", ...authority }, async (options) => {
      const answer = await certificates.getTrustBundle({}, options);
      return required("trust_bundle", answer.trustBundle).sequence;
    }),
    askCollector(services, fabricId, signal),
    askRecovery(services, fabric.agentId, signal),
  ]);
  const base = fabricToJson(fabric);
  const now = services.clock.now();
  // Our own bundle is the current one or, for a moment, the one before: better than nothing while the authority is away.
  const current = knownOr(bundle, trustBundle().sequence);
  const issued = records.outcome === "known" ? newestFirst(records.value) : undefined;
  return {
    ...base,
    certificates: [...base.certificates, ...unreported(base.certificates, issued ?? [])].map((held) =>
      withState(held, issued, now),
    ),
    trustBundle: {
      state: trustBundleStateOf({ acknowledged: fabric.trustBundleSequence, current }),
      acknowledgedSequence: base.trustBundleSequence,
      currentSequence: safeNumber("trust_bundle.sequence", current),
    },
    collector: knownOr(collector, null),
    recovery: knownOr(recovery, null),
    unknown: unknownPartsOf([records, bundle, collector, recovery]),
  };
}

/** The recovery of an agent: null before activation, and for an agent without a recovery key. */
export async function recoveryOf(
  { recoveries }: Pick<RouteServices, "recoveries">,
  agentId: string,
  options: { readonly signal: AbortSignal; readonly timeoutMs?: number },
): Promise<FabricDetailJson["recovery"]> {
  if (agentId === "") return null;
  try {
    return recoveryToJson((await recoveries.getRecoveryState({ agentId }, { ...options, idempotent: true })).state);
  } catch (error) {
    if (isDrawbridgeError(error, "AGENT_UNKNOWN")) return null;
    throw error;
  }
}

function askRecovery(
  services: Pick<RouteServices, "recoveries">,
  agentId: string,
  signal: AbortSignal,
): Promise<Part<FabricDetailJson["recovery"]>> {
  const asked = { part: "recovery", service: "activation", signal } as const;
  return askPart(asked, (options) => recoveryOf(services, agentId, options));
}

async function askCollector(
  { collectors }: Pick<RouteServices, "collectors">,
  fabricId: string,
  signal: AbortSignal,
): Promise<Part<FabricDetailJson["collector"]>> {
  const asked = { part: "collector", service: "monitoring-ingest", signal } as const;
  if (!collectors) {
    const message = "this installation has no monitoring-ingest, so that nothing is known of collectors";
    return {
      outcome: "unknown",
      why: { part: asked.part, service: asked.service, code: "MONITORING_NOT_INSTALLED", message },
    };
  }
  return askPart(asked, async (options) => {
    try {
      return collectorToJson((await collectors.getCollector({ fabricId }, options)).collector);
    } catch (error) {
      if (isDrawbridgeError(error, "COLLECTOR_NOT_SEEN")) return null;
      throw error;
    }
  });
}

function collectorToJson(message: Collector | undefined): NonNullable<FabricDetailJson["collector"]> {
  const collector = required("collector", message);
  return {
    lastSeenAt: instantOrNull(collector.lastSeenAt),
    certificateSerial: collector.certificateSerial,
    certificateNotAfter: instantOrNull(collector.certificateNotAfter),
    version: collector.version,
    clockSkewMs: safeNumber("collector.clock_skew_ms", collector.clockSkewMs),
    certificatesSeen: collector.certificatesSeen,
  };
}

function newestFirst(records: readonly CertificateRecord[]): readonly CertificateRecord[] {
  const issuedMs = (record: CertificateRecord): number => (record.issuedAt ?? record.notBefore)?.getTime() ?? 0;
  return records.toSorted((a, b) => issuedMs(b) - issuedMs(a));
}

const purposeOf = { agent: "tunnel", collector: "monitoring" } as const;

/** The newest recorded certificate of each purpose of which the agent says nothing. */
function unreported(
  held: readonly Omit<HeldJson, "state">[],
  issued: readonly CertificateRecord[],
): readonly Omit<HeldJson, "state">[] {
  return (["agent", "collector"] as const).flatMap((kind) => {
    const purpose = purposeOf[kind];
    if (held.some((certificate) => certificate.purpose === purpose)) return [];
    const record = issued.find(({ spiffeId }) => certificateSubject(spiffeId, undefined).kind === kind);
    if (!record) return [];
    const notAfter = requiredInstant("certificate.not_after", record.notAfter);
    return [{ purpose, serialNumber: record.serialNumber, notAfter, renewAt: null, lastFailure: "" }];
  });
}

/** `issued` has what has not expired; undefined if the authority could not be asked. */
function withState(
  held: Omit<HeldJson, "state">,
  issued: readonly CertificateRecord[] | undefined,
  now: Date,
): HeldJson {
  const record = issued?.find(({ serialNumber }) => serialNumber === held.serialNumber);
  if (record) return { ...held, state: stateOfRecord(record, now) };
  const hasEnded = held.notAfter !== null && new Date(held.notAfter) <= now;
  return { ...held, state: hasEnded ? "expired" : "unknown" };
}
