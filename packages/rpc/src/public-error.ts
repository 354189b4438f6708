import { DrawbridgeError } from "@drawbridge/errors";

/** What the caller gets: our own errors as they are, anything else as `INTERNAL` with generic text and the truth as cause. */
export function toPublicError(thrown: unknown): DrawbridgeError {
  if (thrown instanceof DrawbridgeError) return thrown;
  return new DrawbridgeError({ kind: "internal", code: "INTERNAL", message: "internal error", cause: thrown });
}

/** How loud an outcome is in the log: a bug or data loss is for someone to act on, an outage a warning, a refusal news. */
export function logLevelOf(error: DrawbridgeError | undefined): "info" | "warn" | "error" {
  if (!error) return "info";
  if (error.kind === "internal" || error.kind === "data_loss") return "error";
  return error.kind === "unavailable" ? "warn" : "info";
}
