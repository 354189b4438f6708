/** Where backing services say what takes time. The caller decides how to show it. */
export interface LocalProgress {
  /** Something long is about to happen, in words for the person who waits. */
  progress(message: string): void;
}

export const silentProgress: LocalProgress = { progress: () => undefined };
