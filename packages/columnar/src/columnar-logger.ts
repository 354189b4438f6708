/** The part of a pino logger that the columnar store needs. */
export interface ColumnarLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
