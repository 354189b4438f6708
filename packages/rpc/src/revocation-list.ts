import {
  Revocation as RevocationProto,
  RevocationServiceClient,
  type ListRevocationsRequest,
  type ListRevocationsResponse,
} from "@drawbridge/contracts/certs/v1/revocation_service";
import { isDrawbridgeError } from "@drawbridge/errors";
import { createPastTime, type Clock, type Component, type HealthCheck, type Random } from "@drawbridge/lifecycle";
import type { IdentityHolder } from "@drawbridge/pki";
import { field, type Logger, type Metrics } from "@drawbridge/telemetry";
import { createGrpcClient } from "./grpc-client.ts";
import type { RevocationCheck } from "./revocation-check.ts";
import { createRevokedCertificates, type Revocation } from "./revoked-certificates.ts";

/** One page of the list, as cert-authority's RevocationService gives it. */
export type ReadRevocations = (
  request: ListRevocationsRequest,
  signal: AbortSignal,
) => Promise<ListRevocationsResponse>;

/** What the message bus adds: sooner news, and a copy of the list. Both may throw while the bus is away. */
export interface RevocationNews {
  /** Call back at each hint that something was revoked. */
  subscribe(onHint: () => void): { close(): Promise<void> };
  /** Every entry of the mirror of the list (KV bucket `revoked`): its key and its value. */
  readMirror?(): Promise<readonly { readonly key: string; readonly value: Uint8Array }[]>;
}

export interface RevocationListOptions {
  /** Where cert-authority is and who we are; or, in cert-authority itself, how to read the list. */
  readonly source: { readonly address: string; readonly identity: IdentityHolder } | { readonly read: ReadRevocations };
  /** Without it news comes with the next poll, and a start waits for cert-authority. */
  readonly news?: RevocationNews;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface RevocationList extends Component, RevocationCheck {
  /** For /readyz: the list was never read. */
  readonly health: HealthCheck;
  /** For /readyz, as "degraded": the list is older than 30 s. */
  readonly freshness: HealthCheck;
  /** Something was revoked: read at once. */
  hint(): void;
}

/** With 2 s between reads and 2.5 s for an answer that does not come, news is here within 5 s without the bus (R9). */
const pollMs = 2_000;
const timeoutMs = 2_500;
const staleAfterMs = 30_000;
const mirrorStateKey = "meta.state";
const forgetEveryMs = 60_000;

/**
 * The revoked certificates, for every listener of a service (REN 6, design R9, R17). Read whole at the start, from
 * cert-authority or else from the mirror on the bus; then every 2 s, and at each hint. A list that cannot be read any more
 * is used as it is: what was revoked stays revoked, and nobody is shut out because cert-authority is away. A wall clock that
 * was set forward by mistake does not empty it; when it is set back, the list is read from the start again.
 */
export function createRevocationList(options: RevocationListOptions): RevocationList {
  const { clock, random, news } = options;
  const logger = options.logger.child({ [field.component]: "revocation list" });
  const revoked = createRevokedCertificates();
  const listeners = new Set<() => void>();
  const stopping = new AbortController();
  const source = openSource(options);
  let place = { afterPosition: 0n, listId: "" };
  let running: Promise<void> = Promise.resolve();
  let subscription: { close(): Promise<void> } | undefined;
  let hint = Promise.withResolvers<void>();
  let readAtMs: number | undefined;
  const past = createPastTime(clock);
  let forgottenAtMs = clock.monotonicMs();
  let isFailing = false;
  let isReportedStale = false;

  options.metrics.gauge("revocations", { description: "revoked certificates that are refused" }, () => revoked.size);
  options.metrics.gauge(
    "revocation_list_age_seconds",
    { description: "time since the revocation list was read", unit: "s" },
    () => (readAtMs === undefined ? [] : [[ageMs() / 1000, {}]]),
  );

  function ageMs(): number {
    return clock.monotonicMs() - (readAtMs ?? 0);
  }

  function take(revocations: Iterable<Revocation>): void {
    let news = 0;
    for (const revocation of revocations) if (revoked.add(revocation)) news += 1;
    if (news === 0) return;
    if (readAtMs !== undefined) logger.info({ revocations: news }, "certificates were revoked");
    for (const listener of listeners) listener();
  }

  /** To the end of the list. A changed id means that the record was restored: all is kept, and read again from the start. */
  async function readToEnd(signal: AbortSignal): Promise<void> {
    const startedMs = clock.monotonicMs();
    for (;;) {
      const page = await source.read(place, signal);
      take(page.revocations);
      const isSameList = place.listId === "" || place.listId === page.listId;
      if (!isSameList) logger.warn({}, "the revocation list was restored, reading it again");
      place = { afterPosition: isSameList ? page.nextPosition : 0n, listId: page.listId };
      if (isSameList && !page.more) break;
    }
    readAtMs = startedMs;
  }

  async function read(signal: AbortSignal): Promise<void> {
    try {
      await readToEnd(signal);
      if (isFailing) logger.info({ revocations: revoked.size }, "the revocation list is read again");
      isFailing = false;
      isReportedStale = false;
    } catch (error) {
      signal.throwIfAborted();
      if (!isFailing) logger.warn({ err: error }, "the revocation list cannot be read, will retry");
      isFailing = true;
      if (readAtMs === undefined) await readMirror();
      else reportStale(error);
    }
  }

  function reportStale(error: unknown): void {
    if (isReportedStale || ageMs() < staleAfterMs) return;
    isReportedStale = true;
    const isOurs = isDrawbridgeError(error, "CERTIFICATE_REVOKED");
    logger.error(
      { err: error, age_seconds: Math.round(ageMs() / 1000) },
      isOurs ? "our own certificate was revoked" : "the revocation list is stale, new revocations are not known here",
    );
  }

  async function readMirror(): Promise<void> {
    if (!news?.readMirror) return;
    try {
      const entries = await news.readMirror();
      // cert-authority writes it once all is there: a bucket that was lost and made again says nothing about who is revoked.
      if (!entries.some(({ key }) => key === mirrorStateKey)) throw new Error("the mirror was never filled");
      take(entries.flatMap(fromMirror));
      readAtMs = clock.monotonicMs();
      logger.warn({ revocations: revoked.size }, "the revocation list was read from its mirror on the message bus");
    } catch (error) {
      logger.debug({ err: error }, "the mirror of the revocation list cannot be read");
    }
  }

  /** The bus may come later than we do; from then on it keeps the subscription by itself. */
  function listen(): void {
    if (!news || subscription) return;
    try {
      subscription = news.subscribe(() => hint.resolve());
      hint.resolve(); // what was revoked before
    } catch (error) {
      logger.debug({ err: error }, "no hints yet, the bus is away");
    }
  }

  /** A hint that comes during a read is not lost: it ends the pause that follows. */
  async function pause(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const over = new AbortController();
    const onAbort = (): void => over.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    await Promise.race([hint.promise, clock.sleep(pollMs * (0.9 + 0.2 * random.next()), over.signal)]).finally(() => {
      signal.removeEventListener("abort", onAbort);
      over.abort(new Error("paused long enough"));
    });
    hint = Promise.withResolvers();
  }

  async function follow(signal: AbortSignal): Promise<void> {
    for (;;) {
      listen();
      await pause(signal);
      lookAtClock();
      await read(signal);
      if (clock.monotonicMs() - forgottenAtMs < forgetEveryMs) continue;
      forgottenAtMs = clock.monotonicMs();
      revoked.forgetExpired(past.now);
    }
  }

  function lookAtClock(): void {
    if (!past.look()) return;
    logger.warn({}, "the clock was set back, reading the revocation list again");
    place = { afterPosition: 0n, listId: place.listId }; // not as one that has no list
  }

  async function load(signal: AbortSignal): Promise<void> {
    for (;;) {
      listen();
      await read(signal);
      if (readAtMs !== undefined) return;
      await pause(signal);
    }
  }

  return {
    name: "revocation list",
    get isLoaded() {
      return readAtMs !== undefined;
    },
    refusal: (certificate) => revoked.find(certificate),
    hint: () => hint.resolve(),
    onRevoked: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    health: () => (readAtMs === undefined ? "the revocation list was not read yet" : undefined),
    freshness: () =>
      readAtMs !== undefined && ageMs() >= staleAfterMs
        ? `the revocation list is ${Math.round(ageMs() / 1000)} s old`
        : undefined,
    start: async (signal) => {
      await load(AbortSignal.any([signal, stopping.signal]));
      logger.info({ revocations: revoked.size }, "revocation list read");
      running = follow(stopping.signal).catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error;
      });
    },
    stop: async (deadline) => {
      stopping.abort(new Error("stopping"));
      await running;
      await subscription?.close().catch(() => undefined); // with the bus away it is closed already
      await source.stop(deadline);
    },
  };
}

function openSource({ source, clock, random, logger }: RevocationListOptions): {
  readonly read: ReadRevocations;
  readonly stop: (deadline: AbortSignal) => Promise<void>;
} {
  if ("read" in source) return { read: source.read, stop: () => Promise.resolve() };
  const client = createGrpcClient(RevocationServiceClient, {
    ...source,
    expectedServer: "/cp/cert-authority",
    clock,
    random,
    logger,
  });
  return {
    read: (request, signal) => client.call.listRevocations(request, { signal, timeoutMs }),
    stop: (deadline) => client.stop(deadline),
  };
}

/** Keys are serial.<hex> and fp.<hex>. What else lies in the bucket is not for us. */
function fromMirror({ key, value }: { readonly key: string; readonly value: Uint8Array }): readonly Revocation[] {
  const [kind, name] = key.split(".", 2);
  if (name === undefined || (kind !== "serial" && kind !== "fp")) return [];
  return [
    {
      serialNumber: kind === "serial" ? name : "",
      fingerprintSha256: kind === "fp" ? name : "",
      ...mirroredFacts(value),
    },
  ];
}

/** The key is what counts: a value that cannot be read must not let anybody in. */
function mirroredFacts(value: Uint8Array): Pick<Revocation, "reason" | "notAfter"> {
  try {
    const { reason, notAfter } = RevocationProto.fromJSON(JSON.parse(Buffer.from(value).toString("utf8")));
    return { reason, notAfter };
  } catch {
    return { reason: "", notAfter: undefined };
  }
}
