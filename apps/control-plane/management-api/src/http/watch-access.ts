import type { Readable } from "node:stream";
import { isDrawbridgeError } from "@drawbridge/errors";
import type { Clock } from "@drawbridge/lifecycle";

/** Whoever loses his access sees what he opened before for so long. */
const lookAgainMs = 30_000;

/**
 * Ends what a caller follows when he may no more: his token was revoked or ended, or his role was taken away. `look` throws then; what
 * else it throws, as while the database is away, is looked at again the next time.
 */
export function watchAccess(
  stream: Readable,
  of: {
    readonly look: () => Promise<void>;
    readonly end: (reason: Error) => void;
    readonly clock: Pick<Clock, "sleep">;
  },
): void {
  const closed = new AbortController();
  stream.once("close", () => closed.abort());
  const watch = async (): Promise<void> => {
    for (;;) {
      await of.clock.sleep(lookAgainMs, closed.signal);
      try {
        await of.look();
      } catch (error) {
        if (!isDrawbridgeError(error)) continue;
        if (error.kind === "unauthenticated" || error.kind === "permission_denied") return of.end(error);
      }
    }
  };
  watch().catch(() => undefined); // the stream is closed
}
