/** What a batch may be; a larger one is refused. Gateways stay well below. */
export const batchLimits = {
  /** Requests. */
  rows: 5_000,
  /** Bytes of the message, before compression. */
  bytes: 1_048_576,
  /** Entries of each table. */
  tableEntries: 20_000,
  /** UTF-16 code units of a name. */
  stringLength: 1_024,
  /** Gaps that one batch tells of. */
  gaps: 100,
} as const;

/** User-Agent is cut to so many characters: what tells browser and system apart comes first. */
export const userAgentLength = 256;

/** Largest value of a column; what is larger is told as this. */
export const largestValue = 2 ** 32 - 1;
