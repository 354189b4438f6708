import { METHODS } from "node:http";
import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import { BatchBuilder, type ReportableRequest } from "@drawbridge/request-batch";
import { addressKeyBytes, AnalyticsBoard, dayOf } from "../../analytics/analytics-board.ts";
import type { ThreadCount } from "../../analytics/recorded-counts.ts";
import type { FromWorker, RequestTally } from "../../workers/protocol.ts";

export interface RequestRecorderOptions {
  /** Without it nobody is behind: whoever listens takes everything. */
  readonly board: AnalyticsBoard | undefined;
  /** What a gateway that is killed is known to have lost; absent: nothing. */
  readonly threadCount?: ThreadCount | undefined;
  readonly send: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/** What a batch costs beside its requests is a fifth less of each than with half as many. */
const capacity = 1_000;
/** So many bytes of all threads may wait for the disk: some 400,000 requests. */
export const mostBytesOnTheWay = 32 * 1024 * 1024;
const talliesEveryMs = 1_000;
const knownVerbs: ReadonlySet<string> = new Set(METHODS);
/** In place of a method that only this client knows. */
const otherVerb = "OTHER";

/*
 * Requests of a thread that are over, on their way out.
 *
 * Invariants:
 * - A request is added and that is all: nothing is waited for, and what finds no room is counted, not kept.
 * - Whatever was recorded is in a batch that was sent or is counted as dropped.
 */
export class RequestRecorder {
  readonly #options: RequestRecorderOptions;
  readonly #board: AnalyticsBoard;
  readonly #key = new Uint8Array(addressKeyBytes);
  readonly #builder = new BatchBuilder({ capacity, addressKey: this.#key });
  readonly #counts = new Float64Array(5);
  readonly #durationsMs = new Float64Array(5);
  #dropped = 0;
  #droppedFromMs = 0;
  #droppedToMs = 0;
  #day: number;
  #flushedMs = 0;
  #talliedMs = 0;

  constructor(options: RequestRecorderOptions) {
    this.#options = options;
    this.#board = options.board ?? new AnalyticsBoard();
    if (options.board === undefined) this.#board.renewKeys(options.nowMs);
    this.#day = dayOf(options.nowMs);
    this.#board.readKey(options.nowMs, this.#key);
  }

  /** A tracked request is over, told or not. */
  count(disposition: Disposition, durationMs: number): void {
    this.#counts[disposition] = (this.#counts[disposition] ?? 0) + 1;
    this.#durationsMs[disposition] = (this.#durationsMs[disposition] ?? 0) + durationMs;
  }

  /** A request begins that will be told of. */
  begin(): void {
    this.#options.threadCount?.begin();
  }

  /** It is over: `add` follows, if it is told of after all. */
  end(): void {
    this.#options.threadCount?.end();
  }

  add(request: ReportableRequest): void {
    this.#options.threadCount?.record();
    if (this.#builder.isFull) return this.#drop(request.receivedAtMs);
    this.#builder.add(request);
    if (this.#builder.isFull && !this.#isBehind()) this.#sendBatch();
  }

  /** Asked every 100 ms or so. */
  tick(monotonicMs: number, wallMs: number): void {
    this.#followDay(wallMs);
    const isDue = this.#builder.isFull || monotonicMs - this.#flushedMs >= this.#board.flushEveryMs;
    if (isDue && !this.#isBehind()) {
      this.#flushedMs = monotonicMs;
      this.#sendBatch();
    }
    if (monotonicMs - this.#talliedMs >= talliesEveryMs) {
      this.#talliedMs = monotonicMs;
      this.#sendTallies();
    }
    this.#options.threadCount?.tick(this.#builder.rows + this.#dropped, wallMs);
  }

  /** Everything, at the end. */
  flush(wallMs: number): void {
    this.#sendBatch();
    this.#sendTallies();
    this.#options.threadCount?.tick(0, wallMs);
  }

  #isBehind(): boolean {
    return this.#options.board !== undefined && this.#board.bytesOnTheWay > mostBytesOnTheWay;
  }

  /** Addresses of one batch have one key. */
  #followDay(wallMs: number): void {
    const day = dayOf(wallMs);
    if (day === this.#day) return;
    this.#day = day;
    this.#sendBatch();
    this.#board.readKey(wallMs, this.#key);
  }

  #drop(receivedAtMs: number): void {
    this.#droppedFromMs = this.#dropped === 0 ? receivedAtMs : Math.min(this.#droppedFromMs, receivedAtMs);
    this.#droppedToMs = Math.max(this.#droppedToMs, receivedAtMs);
    this.#dropped += 1;
  }

  #sendBatch(): void {
    const taken = this.#builder.take();
    if (taken === undefined) return;
    const { rows, fromMs, toMs } = taken;
    const body = ownBuffer(taken.body);
    this.#board.addBytes(body.byteLength);
    this.#options.send({ type: "requests", body, rows, fromMs, toMs }, [body]);
  }

  #sendTallies(): void {
    const tallies: RequestTally[] = [];
    for (const disposition of dispositions) {
      const requests = this.#counts[disposition] ?? 0;
      if (requests > 0) tallies.push({ disposition, requests, durationMs: this.#durationsMs[disposition] ?? 0 });
    }
    const dropped =
      this.#dropped === 0
        ? undefined
        : { requests: this.#dropped, fromMs: this.#droppedFromMs, toMs: this.#droppedToMs };
    if (tallies.length === 0 && dropped === undefined) return;
    this.#counts.fill(0);
    this.#durationsMs.fill(0);
    this.#dropped = 0;
    this.#droppedToMs = 0;
    this.#options.send({ type: "tallies", tallies, dropped });
  }
}

const dispositions = [
  Disposition.DISPOSITION_PROCESSED,
  Disposition.DISPOSITION_POLICY_VIOLATION,
  Disposition.DISPOSITION_BLOCKED,
  Disposition.DISPOSITION_ERROR,
] as const;

/** What is told of a method: a client may send any word as one. */
export function toldVerb(method: string): string {
  return knownVerbs.has(method) ? method : otherVerb;
}

/** One that can be given away as a whole. */
function ownBuffer(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteLength } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) return buffer;
  return Uint8Array.from(bytes).buffer;
}
