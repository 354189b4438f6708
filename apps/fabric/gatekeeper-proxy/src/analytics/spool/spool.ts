import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDiskFull } from "@drawbridge/app-routes";
import { batchRecord, noRequests } from "./batch-record.ts";
import { countDamaged, setAside } from "./damaged-segments.ts";
import { findSpool, type FoundSpool } from "./find-spool.ts";
import { GapList, type Loss, type LossReason } from "./gap-list.ts";
import { SegmentReader } from "./segment-reader.ts";
import { SegmentWriter, type AppendedHead } from "./segment-writer.ts";
import { firstUnread, newSegment, settleIn, type Segment, waitingRequests } from "./segment.ts";
import type { RecordedBatch, SpooledBatch, SpoolOptions, SpoolStats } from "./spool-options.ts";
import { StateFile, type SpoolState } from "./spool-state.ts";

/** What a crash hands out again, at most. */
const stateEveryMs = 200;

/*
 * Batches on the disk, in their order, until they are delivered.
 *
 * Invariants:
 * - A batch is handed out only when it is on the disk, so no name is ever given to other bytes: whoever opens the spool after
 *   a crash finds every batch that may have been sent, and begins another epoch if something may be missing.
 * - Every request that was taken is in a batch that was settled or waits, or in a loss; a loss is in the state or in a batch.
 *   `accounted` of a segment says what it should hold, so what cannot be read is known by its number.
 * - The state that gives a segment up is on the disk before the segment goes.
 * - One operation at a time, in the order of the calls.
 */
export class Spool {
  readonly #options: SpoolOptions;
  readonly #state: StateFile;
  readonly #segments: Segment[];
  readonly #gaps: GapList;
  #unsettled: SpooledBatch[] = [];
  /** Given up or delivered, to be removed once the state says so. */
  #trash: Segment[] = [];
  #epoch: number;
  #sequence: number;
  #accounted: number;
  #received: number;
  #cursor: SpoolState["cursor"];
  #read: { segment: number; offset: number };
  readonly #writer = new SegmentWriter();
  readonly #reader = new SegmentReader();
  #isStateStale = true;
  #isClosed = false;
  #failure: string | undefined;
  #damaged: number;
  #stateWrittenMs = Number.NEGATIVE_INFINITY;
  #nextNumber: number;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(options: SpoolOptions, file: StateFile, found: FoundSpool & { readonly damaged: number }) {
    this.#options = options;
    this.#state = file;
    this.#segments = found.segments;
    this.#gaps = new GapList(found.losses);
    this.#epoch = found.epoch;
    this.#sequence = found.sequence;
    this.#accounted = found.accounted;
    this.#received = found.received;
    this.#cursor = found.cursor;
    this.#read = { segment: found.cursor.segment, offset: found.cursor.offset };
    this.#nextNumber = found.nextNumber;
    this.#damaged = found.damaged;
  }

  static async open(options: SpoolOptions): Promise<Spool> {
    const { directory } = options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const { file, state } = await StateFile.open(join(directory, "state"));
    try {
      const found = await findSpool(directory, { state, nowMs: options.clock.now().getTime() });
      const damaged = await countDamaged(directory);
      const spool = new Spool(options, file, { ...found, damaged });
      spool.#takeBefore();
      await spool.#inTurn(() => spool.#writeState());
      return spool;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  stats(): SpoolStats {
    return {
      bytes: this.#bytes(),
      requests: waitingRequests(this.#segments),
      oldestMs: this.#unsettled[0]?.head.fromMs ?? firstUnread(this.#segments, this.#read)?.fromMs,
      damaged: this.#damaged,
      failure: this.#failure,
    };
  }

  get hasLosses(): boolean {
    return this.#gaps.losses.length > 0;
  }

  /** There is something that a `commit` would write. */
  get isPending(): boolean {
    return this.#isStateStale || this.#writer.isUncommitted;
  }

  /** Requests that were lost before they came here. */
  receiveLoss(loss: Loss): void {
    this.#received = (this.#received + loss.requests) >>> 0;
    this.lose(loss);
  }

  /** Requests that are here, or were; `told` of them were counted as lost before, and are told once more. */
  lose(loss: Loss, told = 0): void {
    if (loss.requests <= 0) return;
    this.#gaps.add(loss);
    this.#isStateStale = true;
    this.#options.onLoss({ ...loss, requests: loss.requests - told });
  }

  /** Write a batch. It is handed out after the next `commit`. Never fails: what cannot be written is lost and counted. */
  append(batch: RecordedBatch): Promise<void> {
    return this.#inTurn(() => this.#append(batch));
  }

  /** Append what is lost and not told yet as a batch of its own. */
  appendLosses(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.hasLosses) await this.#append(noRequests);
    });
  }

  /** Put on the disk what was appended, and the state if it changed. True: there is something new to hand out. */
  commit(): Promise<boolean> {
    return this.#inTurn(async () => {
      const isNew = await this.#sync();
      const stateAgeMs = this.#options.clock.monotonicMs() - this.#stateWrittenMs;
      if (this.#isStateStale && stateAgeMs >= stateEveryMs) await this.#writeState();
      return isNew;
    });
  }

  /** The next batch that is on the disk and was not handed out. */
  next(): Promise<SpooledBatch | undefined> {
    return this.#inTurn(() => this.#next());
  }

  /** It was delivered, or will never be: then `lose` says so first. */
  settle(batch: SpooledBatch): Promise<void> {
    return this.#inTurn(async () => {
      if (batch.isSettled) return;
      batch.isSettled = true;
      batch.segment.inFlight -= 1;
      settleIn(batch.segment, batch.head);
      this.#isStateStale = true;
      this.#moveCursor();
      await this.#finishSegments();
    });
  }

  /** Hand everything out again that is not settled, oldest first. Nothing may be under way. */
  rewind(): Promise<void> {
    return this.#inTurn(() => {
      for (const { segment, isSettled, head } of this.#unsettled) {
        if (isSettled) settleIn(segment, head, true); // handed out again: it has the same name
        else segment.inFlight -= 1;
      }
      this.#unsettled = [];
      this.#read = { segment: this.#cursor.segment, offset: this.#cursor.offset };
      return Promise.resolve();
    });
  }

  /** Give up what is too old, and segments in which nothing waits. Called now and then. */
  review(): Promise<void> {
    return this.#inTurn(async () => {
      const latestMs = this.#options.pastMs() - this.#options.limits.ageMs;
      const active = this.#writer.segment;
      const isIdle = active !== undefined && active.endAccounted - active.startAccounted === active.settled;
      if (active !== undefined && active.inFlight === 0 && active.records > 0 && (isIdle || active.toMs < latestMs)) {
        await this.#seal();
      }
      const old = this.#segments.filter((segment) => segment.toMs < latestMs && this.#isDroppable(segment));
      for (const segment of old) await this.#drop(segment, "too_old");
      await this.#finishSegments();
    });
  }

  /** Everything is on the disk then, and the next one to open it goes on with the numbers. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      await this.#sync();
      await this.#seal();
      await this.#finishSegments();
      await this.#writeState();
      await this.#reader.close();
      await this.#state.close();
    });
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** What was lost with an earlier process or thread. */
  #takeBefore(): void {
    const { recordedBefore: before } = this.#options;
    const recorded = before?.requests ?? 0;
    if (before !== undefined)
      this.lose({ ...before, requests: (recorded - this.#received) | 0, reason: "interrupted" });
    this.#received = recorded >>> 0; // after a power cut the count may be behind
  }

  #bytes(): number {
    return this.#segments.reduce((sum, { size }) => sum + size, 0);
  }

  async #append(batch: RecordedBatch): Promise<void> {
    const { rows, fromMs, toMs } = batch;
    for (;;) {
      const { losses, version } = this.#gaps;
      const name = { epoch: this.#epoch, sequence: this.#sequence + 1 };
      const received = (this.#received + rows) >>> 0;
      const at = { ...name, accountedBefore: this.#accounted, received, losses };
      const record = batchRecord(batch, at, this.#options.encode);
      try {
        if (!(await this.#hasRoom(record.bytes.length))) break;
        if (version !== this.#gaps.version) continue; // making room has added to what it must tell
        await this.#write(record.bytes, record.head);
        this.#failure = undefined;
        return;
      } catch (error) {
        this.#failure = error instanceof Error ? error.message : String(error);
        if (!isDiskFull(error)) return this.receiveLoss({ requests: rows, fromMs, toMs, reason: "spool_damaged" });
        if (!(await this.#dropOldest())) break;
      }
    }
    this.receiveLoss({ requests: rows, fromMs, toMs, reason: "spool_full" });
  }

  async #write(bytes: Buffer, head: AppendedHead): Promise<void> {
    const { directory, limits } = this.#options;
    if (!this.#writer.takes(bytes.length, limits.segmentBytes)) {
      await this.#seal();
      const segment = newSegment(directory, this.#nextNumber, this.#accounted);
      await this.#writer.begin(segment, directory);
      this.#nextNumber += 1;
      this.#segments.push(segment);
    }
    this.#writer.write(bytes, head);
    this.#accounted = head.accountedBefore + head.accounted;
    this.#sequence = head.sequence;
    this.#received = head.received;
    if (this.hasLosses) this.#isStateStale = true;
    this.#gaps.clear();
  }

  async #sync(): Promise<boolean> {
    try {
      return await this.#writer.sync();
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      return true; // it is in the system's memory: whoever opens the spool after a power cut begins another epoch
    }
  }

  /** Begin a new segment with the next batch. */
  async #seal(): Promise<void> {
    await this.#sync();
    await this.#writer.seal();
  }

  async #hasRoom(length: number): Promise<boolean> {
    while (this.#bytes() + length > this.#options.limits.bytes) if (!(await this.#dropOldest())) return false;
    return true;
  }

  async #dropOldest(): Promise<boolean> {
    const oldest = this.#segments.find((segment) => this.#isDroppable(segment));
    if (oldest !== undefined) {
      await this.#drop(oldest, "spool_full");
      return true;
    }
    const active = this.#writer.segment;
    if (active === undefined || active.inFlight > 0 || active.records === 0) return false;
    await this.#seal();
    return this.#dropOldest();
  }

  #isDroppable(segment: Segment): boolean {
    return segment.inFlight === 0 && segment !== this.#writer.segment;
  }

  async #drop(segment: Segment, reason: LossReason): Promise<void> {
    this.#segments.splice(this.#segments.indexOf(segment), 1);
    this.#giveUp(segment, reason);
    await this.#writeState();
  }

  /** It is not among the segments any more. */
  #giveUp(segment: Segment, reason: LossReason): void {
    const { number, fromMs, toMs } = segment;
    const nowMs = this.#options.clock.now().getTime();
    const span = { fromMs: Number.isFinite(fromMs) ? fromMs : nowMs, toMs: toMs === 0 ? nowMs : toMs };
    this.lose({ requests: waitingRequests([segment]), ...span, reason }, segment.gaps);
    if (this.#cursor.segment <= number && !this.#segments.some((other) => other.number < number)) {
      this.#cursor = { segment: number + 1, offset: 0, settled: 0 };
    }
    this.#trash.push(segment);
    this.#isStateStale = true;
  }

  async #next(): Promise<SpooledBatch | undefined> {
    for (;;) {
      const segment = this.#segments.find(({ number }) => number >= this.#read.segment);
      if (segment === undefined) return undefined;
      if (segment.number > this.#read.segment) this.#read = { segment: segment.number, offset: 0 };
      if (this.#read.offset >= segment.committed) {
        if (segment === this.#writer.segment) return undefined;
        this.#read = { segment: segment.number + 1, offset: 0 };
        await this.#finishSegments(); // if nothing of it could be read
        continue;
      }
      const record = await this.#reader.read(segment, this.#read.offset);
      if (record === undefined) {
        this.#read.offset = segment.committed;
        continue;
      }
      this.#read.offset = record.endOffset;
      const batch: SpooledBatch = { ...record, segment, isSettled: false };
      segment.inFlight += 1;
      this.#unsettled.push(batch);
      return batch;
    }
  }

  #moveCursor(): void {
    let [first] = this.#unsettled;
    while (first?.isSettled === true) {
      const { number } = first.segment;
      const settled = (this.#cursor.segment === number ? this.#cursor.settled : 0) + first.head.accounted;
      if (number >= this.#cursor.segment) this.#cursor = { segment: number, offset: first.endOffset, settled };
      this.#unsettled.shift();
      [first] = this.#unsettled;
    }
  }

  /** Remove what was handed out as a whole and settled, in order; what could not be read of it is lost. */
  async #finishSegments(): Promise<void> {
    let [first] = this.#segments;
    while (first !== undefined && this.#isDroppable(first) && this.#isRead(first)) {
      this.#segments.shift();
      if (first.endAccounted - first.startAccounted > first.settled) first.isDamaged = true;
      this.#giveUp(first, "spool_damaged");
      [first] = this.#segments;
    }
    if (this.#trash.length > 0) await this.#writeState();
  }

  #isRead({ number, committed }: Segment): boolean {
    return this.#read.segment > number || (this.#read.segment === number && this.#read.offset >= committed);
  }

  async #writeState(): Promise<void> {
    const tail = this.#segments.at(-1);
    try {
      await this.#state.write({
        epoch: this.#epoch,
        sequence: this.#sequence,
        accounted: this.#accounted,
        received: this.#received,
        isClean: this.#isClosed,
        cursor: this.#cursor,
        losses: [...this.#gaps.losses],
        removed: this.#trash.map(({ number }) => number),
        ...(tail && { tail: { segment: tail.number, accounted: tail.endAccounted } }),
      });
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      return;
    }
    this.#isStateStale = false;
    this.#stateWrittenMs = this.#options.clock.monotonicMs();
    const trash = this.#trash;
    this.#trash = [];
    for (const segment of trash) await this.#remove(segment);
  }

  async #remove(segment: Segment): Promise<void> {
    await this.#reader.close(segment);
    try {
      if (segment.isDamaged) {
        await setAside(segment, this.#options.directory);
        this.#damaged += 1;
      } else await rm(segment.path, { force: true });
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error); // the next start removes it
    }
  }
}
