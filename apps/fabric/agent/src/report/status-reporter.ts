import { AppStatus } from "@drawbridge/contracts/runtime/v1/app";
import type { Clock } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { TunnelSession } from "../tunnel/tunnel-session.ts";
import type { AppReport } from "./app-report.ts";
import { reportToProto } from "./report-to-proto.ts";

/** Everything that the agent has to say at a moment. */
export interface Report {
  readonly generation: bigint;
  readonly digest: string;
  readonly apps: readonly AppReport[];
  /** Tombstoned apps of which nothing is left. */
  readonly removedAppIds: readonly string[];
}

/** Tells the control plane what the apps are: everything after Welcome, then what changed, again until it is acknowledged. */
export interface StatusReporter {
  /** The newest report; sent when its time has come. Older ones that were not sent are skipped. */
  update(report: Report): void;
  /** A new session knows nothing. */
  restart(session: TunnelSession): void;
  /** Numbers of frames begin anew in every session, so an answer counts only in its own. */
  acknowledge(seq: bigint, from: TunnelSession): void;
}

/** An acknowledgement that did not come by then is not waited for: everything in it is sent again. */
const ackTimeoutMs = 10_000;
/** Below the 1 MiB of a frame, with room for its envelope. */
const maxFrameBytes = 900 * 1024;

interface InFlight {
  /** undefined until it is written. */
  seqs: bigint[];
  expected: number;
  readonly sentAtMs: number;
  readonly fingerprints: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
  readonly mark: string;
}

/**
 * Invariants: at most one report is in flight, so that what changes meanwhile is merged into the next; an app counts as
 * reported only when the frame that carried it was acknowledged in the same session.
 */
export function createStatusReporter(options: {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}): StatusReporter {
  const { clock, signal, logger } = options;
  let latest: Report | undefined;
  let session: TunnelSession | undefined;
  let isFull = true;
  let acknowledged = new Map<string, string>();
  let acknowledgedRemovals = new Set<string>();
  let acknowledgedMark = "";
  let inFlight: InFlight | undefined;

  function send(): void {
    if (!session || !latest || inFlight) return;
    const { generation, digest, apps, removedAppIds } = latest;
    const mark = `${generation} ${digest}`;
    const fingerprints = new Map(apps.map((app) => [app.appId, fingerprintOf(app)]));
    const changed = isFull ? apps : apps.filter(({ appId }) => acknowledged.get(appId) !== fingerprints.get(appId));
    const removed = removedAppIds.filter((appId) => isFull || !acknowledgedRemovals.has(appId));
    if (!isFull && changed.length === 0 && removed.length === 0 && mark === acknowledgedMark) return;

    const now = clock.now();
    const parts = partsOf(changed.map((app) => reportToProto(app, now)));
    const flight: InFlight = {
      seqs: [],
      expected: parts.length,
      sentAtMs: clock.monotonicMs(),
      fingerprints: new Map(changed.map(({ appId }) => [appId, fingerprints.get(appId) ?? ""])),
      removed,
      mark,
    };
    inFlight = flight;
    for (const [index, part] of parts.entries()) {
      session.send(
        {
          $case: "status",
          value: {
            observedGeneration: generation,
            snapshotDigest: digest,
            complete: isFull && parts.length === 1,
            apps: part,
            removedAppIds: index === 0 ? [...removed] : [],
          },
        },
        { onWritten: (seq) => flight.seqs.push(seq) },
      );
    }
    void resendUnlessAcknowledged(flight);
  }

  async function resendUnlessAcknowledged(flight: InFlight): Promise<void> {
    await clock.sleep(ackTimeoutMs, signal).catch(() => undefined); // ends when the agent stops
    if (signal.aborted || inFlight !== flight) return;
    logger.warn({ apps: flight.fingerprints.size }, "status was not acknowledged, sending it again");
    inFlight = undefined;
    send();
  }

  return {
    update(report) {
      latest = report;
      send();
    },
    restart(next) {
      session = next;
      isFull = true;
      acknowledged = new Map();
      acknowledgedRemovals = new Set();
      acknowledgedMark = "";
      inFlight = undefined;
      send();
    },
    acknowledge(seq, from) {
      if (from !== session || !inFlight?.seqs.includes(seq)) return;
      inFlight.expected -= 1;
      if (inFlight.expected > 0) return;
      for (const [appId, fingerprint] of inFlight.fingerprints) acknowledged.set(appId, fingerprint);
      for (const appId of inFlight.removed) {
        acknowledgedRemovals.add(appId);
        acknowledged.delete(appId);
      }
      acknowledgedMark = inFlight.mark;
      isFull = false;
      inFlight = undefined;
      send();
    },
  };
}

/** Same text, same report. Times of conditions are part of it, the time of the statement is not. */
function fingerprintOf(app: AppReport): string {
  return JSON.stringify(AppStatus.toJSON(reportToProto(app, new Date(0))));
}

/** Cut a report so that each part fits into a frame. There is always one part. */
function partsOf(apps: readonly AppStatus[]): AppStatus[][] {
  const parts: AppStatus[][] = [[]];
  let size = 0;
  for (const app of apps) {
    const bytes = AppStatus.encode(app).finish().length;
    if (size + bytes > maxFrameBytes && size > 0) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1)?.push(app);
    size += bytes;
  }
  return parts;
}
