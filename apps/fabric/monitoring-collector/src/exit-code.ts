/** What the process ends with besides 0 and 1, which `runUntilSignal` gives: after an orderly stop, and when something hung or failed. */
export const exitCode = {
  /** A setting is missing or wrong; standard error names it. */
  usage: 2,
} as const;
