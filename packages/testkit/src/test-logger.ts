import { createLogger, type Logger, type LogLevel } from "@drawbridge/telemetry";

/** What was logged, as it would be written: serialised and redacted. */
export interface LogRecord {
  readonly level: LogLevel;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface TestLogger {
  readonly logger: Logger;
  readonly records: readonly LogRecord[];
  /** The records with this message. */
  readonly withMessage: (message: string) => readonly LogRecord[];
}

/** The real logger, whose records are kept instead of printed. */
export function createTestLogger(): TestLogger {
  const records: LogRecord[] = [];
  const logger = createLogger({
    service: "test",
    level: "trace",
    // A line that createLogger wrote has these fields.
    destination: { write: (line) => void records.push(JSON.parse(line) as LogRecord) },
  });
  return { logger, records, withMessage: (message) => records.filter((record) => record.msg === message) };
}
