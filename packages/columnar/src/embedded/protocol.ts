import type { EngineFault } from "../columnar-errors.ts";
import type { Statement } from "../statement.ts";

/** What the engine's process is told about the store when it starts. */
export interface EngineConfiguration {
  /** Holds nothing but the engine's files; exists. */
  readonly dataDirectory: string;
  readonly configFile: string;
  readonly database: string;
  readonly memoryLimitBytes: number;
}

/** What the service asks its engine. Every request but `cancel` has exactly one answer with its `id`. */
export type EngineRequest =
  | { readonly kind: "open"; readonly id: number; readonly configuration: EngineConfiguration }
  | { readonly kind: "run"; readonly id: number; readonly statement: Statement; readonly format: string }
  | { readonly kind: "openStream"; readonly id: number; readonly statement: Statement; readonly format: string }
  /** The next piece of the stream that `openStream` with the id `stream` opened. */
  | { readonly kind: "pull"; readonly id: number; readonly stream: number }
  | { readonly kind: "closeStream"; readonly id: number; readonly stream: number }
  /** Stop the statement of the request `id`, which then answers that it failed. */
  | { readonly kind: "cancel"; readonly id: number }
  /** Release the directory and exit. */
  | { readonly kind: "close"; readonly id: number };

export type EngineAnswer =
  | { readonly outcome: "done"; readonly id: number; readonly body: Uint8Array | undefined }
  | { readonly outcome: "failed"; readonly id: number; readonly fault: EngineFault };
