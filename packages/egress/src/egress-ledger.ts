import type { Clock, Component } from "@drawbridge/lifecycle";
import type { Logger } from "@drawbridge/telemetry";
import type { DataClass, LedgerEntry, LedgerFile, LedgerWriter } from "./ledger-file.ts";

/** A field that a message sets: its path and class, never its value. */
export interface OutboundField {
  /** For example "frame.status.apps[].conditions[].reason". */
  readonly path: string;
  readonly dataClass: DataClass;
}

/** Bounds of what is kept: days, different kinds of messages per day, fields per sample. */
const keptDays = 30;
const maxEntriesPerDay = 500;
const maxFieldsPerSample = 200;
const flushIntervalMs = 1_000;

/** Something that left the fabric. */
export interface Departure {
  /** Who got it: "runtime-manager 10.0.0.5:7420". */
  readonly peer: string;
  /** What it was: "tunnel.status", "config-resolver.get-bundle". */
  readonly messageType: string;
  /** Messages that this stands for; absent: one. */
  readonly messages?: number;
  readonly sizeBytes: number;
  readonly fields: readonly OutboundField[];
}

/** What left the fabric, to whom, how often and how much; shapes only, never values. */
export interface EgressLedger extends Component {
  record(departure: Departure): void;
  /** Write what is not on disk yet. */
  flush(): Promise<void>;
}

/** Where one writer's days are: `<day>.<writer>.json`, each replaced as a whole. */
export interface LedgerFiles {
  /** `undefined`: none, or none that makes sense. */
  read(day: string): Promise<LedgerFile | undefined>;
  write(file: LedgerFile): Promise<void>;
  /** Remove days before this one, whoever wrote them. */
  removeBefore(day: string): Promise<void>;
}

export interface EgressLedgerOptions {
  readonly files: LedgerFiles;
  /** Which process writes: each has files of its own, so that they do not overwrite each other. */
  readonly writer: LedgerWriter;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Counters live in memory and are flushed once a second, a new kind of message at once: a kill -9 loses a second of
 * counts, never the fact that something of a kind was sent to somebody.
 */
export function createEgressLedger(options: EgressLedgerOptions): EgressLedger {
  const { files, writer, clock, logger } = options;
  const stopping = new AbortController();
  let day = "";
  let entries = new Map<string, LedgerEntry>();
  let isDirty = false;
  let writing: Promise<void> = Promise.resolve();
  let queued: Promise<void> | undefined;
  let loop: Promise<void> = Promise.resolve();

  /** One write at a time; what is recorded while it waits for its turn goes along. */
  function write(): Promise<void> {
    queued ??= writing.then(() => {
      queued = undefined;
      return isDirty ? writeNow() : undefined;
    });
    writing = queued;
    return queued;
  }

  async function writeNow(): Promise<void> {
    isDirty = false;
    const file: LedgerFile = { schemaVersion: 1, day, writer, entries: [...entries.values()] };
    await files.write(file).catch((error: unknown) => logger.warn({ err: error }, "egress ledger cannot be written"));
  }

  async function removeOldDays(): Promise<void> {
    const oldest = new Date(clock.now().getTime() - keptDays * 86_400_000).toISOString().slice(0, 10);
    await files.removeBefore(oldest);
  }

  function turnDay(today: string): void {
    if (day === today) return;
    if (isDirty) {
      const last = writeNow(); // takes the entries of the day before as they are
      writing = Promise.all([writing, last]).then(() => undefined);
    }
    day = today;
    entries = new Map();
    void removeOldDays().catch((error: unknown) => logger.warn({ err: error }, "old egress ledgers cannot be removed"));
  }

  async function flushLoop(): Promise<void> {
    while (!stopping.signal.aborted) {
      await write();
      await clock.sleep(flushIntervalMs, stopping.signal).catch(() => undefined); // ends when stopped
    }
  }

  return {
    name: "egress-ledger",
    async start() {
      day = dayOf(clock.now());
      const stored = await files.read(day);
      for (const entry of stored?.entries ?? []) entries.set(keyOf(entry), entry);
      await removeOldDays();
      loop = flushLoop();
    },
    record(departure) {
      const now = clock.now();
      turnDay(dayOf(now));
      const isFull = entries.size >= maxEntriesPerDay && !entries.has(keyOf(departure));
      const subject = isFull ? { ...departure, peer: "others", messageType: "others" } : departure;
      const known = entries.get(keyOf(subject));
      entries.set(keyOf(subject), addTo(known, subject, now));
      isDirty = true;
      if (known === undefined) void write();
    },
    flush: () => write(),
    async stop() {
      stopping.abort(new Error("the egress ledger is stopping"));
      await loop;
      await write();
    },
  };
}

function addTo(known: LedgerEntry | undefined, departure: Departure, now: Date): LedgerEntry {
  const at = now.toISOString();
  const shape = { ...known?.shape };
  for (const { path, dataClass } of departure.fields) {
    if (Object.keys(shape).length >= maxFieldsPerSample) break;
    shape[path] = dataClass;
  }
  return {
    peer: departure.peer,
    messageType: departure.messageType,
    messages: (known?.messages ?? 0) + (departure.messages ?? 1),
    bytes: (known?.bytes ?? 0) + departure.sizeBytes,
    firstAt: known?.firstAt ?? at,
    lastAt: at,
    shape,
  };
}

function keyOf({ peer, messageType }: { readonly peer: string; readonly messageType: string }): string {
  return `${peer}\n${messageType}`;
}

function dayOf(now: Date): string {
  return now.toISOString().slice(0, 10);
}
