import { cryptoRandom, systemClock, uuidV7Ids } from "@drawbridge/lifecycle";
import type { CommandWorld } from "../../src/cli/command-context.ts";

/** What a command of a process that is to be killed works with: nothing is said, nothing is injected. */
export const silentWorld = {
  env: {},
  stdin: process.stdin,
  out: () => undefined,
  err: () => undefined,
  clock: systemClock,
  random: cryptoRandom,
  ids: uuidV7Ids,
  signal: new AbortController().signal,
} satisfies CommandWorld;
