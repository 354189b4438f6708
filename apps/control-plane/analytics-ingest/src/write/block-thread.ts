// The program of the thread that makes blocks; see start-block-thread.ts.
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "@drawbridge/lifecycle";
import { watchPlaceFile } from "../enrich/geography/watch-place-file.ts";
import { createUserAgents } from "../enrich/user-agent/user-agents.ts";
import { createBlockMaker } from "./block-maker.ts";
import type {
  BlockAnswers,
  BlockQuestion,
  BlockThreadStart,
  FromBlockThread,
  ToBlockThread,
} from "./block-thread-protocol.ts";

if (!parentPort) throw new Error("this is the program of a thread");
const port = parentPort;
/** Who receives goes first: what waits here is safe already. Linux has priorities of threads, elsewhere they are the process's. */
const niceness = 5;
if (process.platform === "linux") setPriority(0, niceness);
// start-block-thread.ts hands over this.
const { placeFile } = workerData as BlockThreadStart;
const places = watchPlaceFile({
  path: placeFile,
  clock: systemClock,
  logger: {
    info: (fields, message) => send({ kind: "log", level: "info", fields: plain(fields), message }),
    warn: (fields, message) => send({ kind: "log", level: "warn", fields: plain(fields), message }),
  },
});
const userAgents = createUserAgents(systemClock);
const maker = createBlockMaker({
  placesVersion: () => places.version(),
  placeNumberOf: (addresses, offset) => places.placeNumberOf(addresses, offset),
  placeOf: (addresses, offset) => places.placeOf(addresses, offset),
  factsOf: (userAgent) => userAgents.factsOf(userAgent),
});

function send(message: FromBlockThread): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port, not a window
  port.postMessage(message);
}

/** An error that crosses threads keeps its message. */
function plain(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? new Error(value.message) : value]),
  );
}

async function answerOf(question: BlockQuestion): Promise<BlockAnswers[keyof BlockAnswers]> {
  switch (question.kind) {
    case "add":
      return maker.add(question.raw);
    case "write":
      return maker.write(question.name);
    case "writeSome":
      return maker.writeSome(question.raws, question.name);
    case "learn":
      maker.learn(question.batches);
      return undefined;
    case "areKnown":
      return question.keys.map((key) => maker.isKnown(key));
    case "forget":
      maker.forget(question.keys);
      return undefined;
    case "look":
      return {
        placesNote: places.note(),
        clampedTimes: maker.clampedTimes,
        skippedUserAgents: userAgents.skipped,
      };
  }
}

async function answer({ number, question }: ToBlockThread): Promise<void> {
  try {
    send({ kind: "answer", number, answer: await answerOf(question) });
  } catch (error) {
    if (question.kind !== "write" && question.kind !== "writeSome") throw error; // a block that is half made: end
    send({ kind: "failed", number, error: new Error(error instanceof Error ? error.message : String(error)) });
  }
}

port.on("message", (message: ToBlockThread) => void answer(message));
await places.start(AbortSignal.timeout(60_000));
send({ kind: "ready" });
