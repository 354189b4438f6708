import { once } from "node:events";
import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Logger } from "@drawbridge/telemetry";
import type { BlockAnswers, BlockQuestion, BlockThreadStart, FromBlockThread } from "./block-thread-protocol.ts";

type AnswerTo<Question extends BlockQuestion> = BlockAnswers[Question["kind"]];

/** A BlockMaker on a thread of its own, so that reading, enriching and encoding do not hold up who receives. */
export interface BlockThread {
  /** Questions are answered in the order in which they were asked; but while a block is written, others go on. */
  ask<Question extends BlockQuestion>(question: Question): Promise<AnswerTo<Question>>;
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (answer: BlockAnswers[keyof BlockAnswers]) => void;
  readonly reject: (error: unknown) => void;
}

/** .ts in a checkout, .js in an image. */
const program = join(import.meta.dirname, `block-thread${extname(import.meta.filename)}`);

/**
 * Of its objects, nearly all are texts of one batch. With room for many batches the collector finds hardly any of them still in
 * use: a fifth less CPU for reading and appending than with Node's 48 MB (`writer-costs.ts`, `--max-semi-space-size=64` and 16).
 */
const resourceLimits = { maxYoungGenerationSizeMb: 192 };

/** A thread that ends by itself ends the process: what it held is not acknowledged, and comes again to the next one. */
export async function startBlockThread(
  start: BlockThreadStart,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<BlockThread> {
  const worker = new Worker(program, { name: "blocks", env: {}, workerData: start, resourceLimits });
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  let isClosed = false;

  worker.on("message", (message: FromBlockThread) => {
    if (message.kind === "log") logger[message.level](message.fields, message.message);
    if (message.kind !== "answer" && message.kind !== "failed") return;
    const asker = waiting.get(message.number);
    waiting.delete(message.number);
    if (message.kind === "failed") asker?.reject(message.error);
    else asker?.resolve(message.answer);
  });
  worker.on("exit", () => {
    if (!isClosed) throw new Error("the thread that makes blocks has ended");
  });
  await once(worker, "message", { signal }); // "ready", or the first of its log

  return {
    ask: <Question extends BlockQuestion>(question: Question) =>
      new Promise<AnswerTo<Question>>((resolve, reject) => {
        const number = ++asked;
        // The thread answers each kind with its own (block-thread-protocol.ts).
        waiting.set(number, { resolve: (answer) => resolve(answer as AnswerTo<Question>), reject });
        worker.postMessage({ number, question });
      }),
    close: async () => {
      isClosed = true;
      await worker.terminate();
    },
  };
}
