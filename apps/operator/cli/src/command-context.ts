import { DrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";
import type { Confirmation } from "./ask-confirmation.ts";
import { type ApiClient, createApiClient } from "./api/client.ts";
import type { Context, ContextFile } from "./context/context-file.ts";
import { followTrustBundle } from "./context/follow-trust-bundle.ts";
import { createOutput, type Output, type Stream } from "./output/output.ts";

/** The world as the commands see it; made once in main.ts. */
export interface CommandWorld {
  readonly contextFile: ContextFile;
  readonly clock: Clock;
  readonly stdout: Stream;
  readonly stderr: Stream;
  /** Ask the person at the terminal for a secret; rejects where there is no terminal. */
  readonly askSecret: (question: string) => Promise<string>;
  /** Ask the person at the terminal for a yes. */
  readonly confirm: (question: string) => Promise<Confirmation>;
  /** Everything on standard input, at most 64 KiB. */
  readonly readInput: () => Promise<string>;
  readonly workingDirectory: string;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
}

export interface OutputOptions {
  readonly output?: "table" | "json";
}

export function outputOf(world: CommandWorld, options: OutputOptions): Output {
  return createOutput(options.output ?? "table", world.stdout, world.stderr);
}

export interface Connection {
  readonly context: Context;
  /** Take over the control plane's trust bundle if there is a newer one. */
  readonly refreshTrust: () => Promise<void>;
}

/**
 * Do `work` with the login of this machine.
 * @throws DrawbridgeError `NOT_LOGGED_IN` | `LOGIN_EXPIRED` (unauthenticated)
 */
export async function withApi<T>(
  world: CommandWorld,
  work: (api: ApiClient, connection: Connection) => Promise<T>,
): Promise<T> {
  const context = await world.contextFile.read();
  if (!context) {
    throw new DrawbridgeError({
      kind: "unauthenticated",
      code: "NOT_LOGGED_IN",
      message: 'not logged in; run "drawbridge login <url> --trust-bundle <file>" first',
    });
  }
  if (new Date(context.expiresAt) <= world.clock.now()) {
    throw new DrawbridgeError({
      kind: "unauthenticated",
      code: "LOGIN_EXPIRED",
      message: `the login of ${context.username} at ${context.url} ran out at ${context.expiresAt}; run "drawbridge login" again`,
    });
  }
  const api = createApiClient(context);
  let kept = context;
  const refreshTrust = async (): Promise<void> => {
    kept = await followTrustBundle(world, api, kept);
  };
  try {
    const result = await work(api, { context, refreshTrust });
    await refreshTrust();
    return result;
  } finally {
    await api.close();
  }
}
