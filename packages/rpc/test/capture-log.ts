import { createLogger, type Logger } from "@drawbridge/telemetry";

export interface CapturedLog {
  readonly logger: Logger;
  /** Everything written so far, as text. */
  text(): string;
  records(): readonly Readonly<Record<string, unknown>>[];
}

/** A real logger that writes into memory. */
export function captureLog(): CapturedLog {
  const lines: string[] = [];
  const logger = createLogger({
    service: "test",
    level: "trace",
    destination: { write: (line) => void lines.push(line) },
  });
  return {
    logger,
    text: () => lines.join(""),
    records: () => lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>), // pino writes objects
  };
}
