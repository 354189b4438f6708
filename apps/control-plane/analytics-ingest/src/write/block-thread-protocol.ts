import type { BatchKey } from "../receive/queued-batch.ts";
import type { AddedBatch, RawBatch, WrittenBlock } from "./block-maker.ts";
import type { SpoolName } from "./spool.ts";

/** What the thread is started with. */
export interface BlockThreadStart {
  readonly placeFile: string | undefined;
}

/** What the thread is asked; each has one answer with its number, in order. */
export type BlockQuestion =
  | { readonly kind: "add"; readonly raw: RawBatch }
  | { readonly kind: "write"; readonly name: SpoolName }
  | { readonly kind: "writeSome"; readonly raws: readonly RawBatch[]; readonly name: SpoolName }
  | { readonly kind: "learn"; readonly batches: readonly (BatchKey & { readonly last?: bigint })[] }
  | { readonly kind: "areKnown"; readonly keys: readonly BatchKey[] }
  | { readonly kind: "forget"; readonly keys: readonly BatchKey[] }
  | { readonly kind: "look" };

/** What is to be seen of it from outside. */
export interface BlockThreadState {
  /** What is wrong with the file of places. */
  readonly placesNote: string | undefined;
  readonly clampedTimes: number;
  readonly skippedUserAgents: number;
}

export interface BlockAnswers {
  readonly add: AddedBatch;
  readonly write: WrittenBlock;
  readonly writeSome: WrittenBlock;
  readonly learn: undefined;
  readonly areKnown: readonly boolean[];
  readonly forget: undefined;
  readonly look: BlockThreadState;
}

export type ToBlockThread = { readonly number: number; readonly question: BlockQuestion };

export type FromBlockThread =
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly number: number; readonly answer: BlockAnswers[keyof BlockAnswers] }
  | { readonly kind: "failed"; readonly number: number; readonly error: Error }
  | { readonly kind: "log"; readonly level: "info" | "warn"; readonly fields: object; readonly message: string };
