import type { Readable, Writable } from "node:stream";
import { createInterface } from "node:readline/promises";

/** What a person said, or that there is nobody to ask. */
export type Confirmation = "yes" | "no" | "nobody";

interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable;
  readonly signal: AbortSignal;
}

/** Ask at the terminal; anything but y or yes is no. Without a terminal at standard input there is nobody to ask. */
export async function askConfirmation(question: string, { input, output, signal }: Terminal): Promise<Confirmation> {
  if (input.isTTY !== true) return "nobody";
  const terminal = createInterface({ input, output });
  try {
    const answer = await terminal.question(`${question} [y/N] `, { signal });
    return /^y(es)?$/i.test(answer.trim()) ? "yes" : "no";
  } finally {
    terminal.close();
  }
}
