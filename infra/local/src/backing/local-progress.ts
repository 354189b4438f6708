/** Where backing services say what takes time or deserves attention. The caller decides how to show it. */
export interface LocalProgress {
  /** Something long is about to happen, in words for the person who waits. */
  progress(message: string): void;
  /** What this set-up cannot promise. */
  warn(message: string): void;
}

export const silentProgress: LocalProgress = { progress: () => undefined, warn: () => undefined };
