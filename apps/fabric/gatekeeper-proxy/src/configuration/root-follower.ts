import { isDrawbridgeError } from "@drawbridge/errors";
import type { TrustBundle } from "@drawbridge/pki";
import type { Logger } from "@drawbridge/telemetry";
import { mayFollow, verifyRoot, type Root } from "./root.ts";

interface RootFollowerDeps {
  readonly trustBundle: () => TrustBundle | undefined;
  /** `undefined`: the agent looks at it. */
  readonly fabricId: string | undefined;
  readonly logger: Logger;
  readonly onRoot: (root: Root) => void;
}

/** Takes roots from the agent, one after the other: verified here, and never an older one than before. */
export class RootFollower {
  readonly #deps: RootFollowerDeps;
  #newest: Root | undefined;
  #waiting: string | undefined;
  #queue = Promise.resolve();

  constructor(deps: RootFollowerDeps) {
    this.#deps = deps;
  }

  /** From the disk: nothing older is taken from anybody. */
  remember(root: Root): void {
    if (mayFollow(root, this.#newest)) this.#newest = root;
  }

  /** Resolves when it was taken or refused; never rejects. What was refused is not looked at again under the same roots. */
  offer(jws: string): Promise<void> {
    if (jws === this.#waiting) return this.#queue;
    this.#waiting = jws;
    this.#queue = this.#queue.then(() => this.#take(jws));
    return this.#queue;
  }

  /** Another trust bundle: a root that was refused may be good now. */
  trustChanged(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) void this.offer(waiting);
  }

  async #take(jws: string): Promise<void> {
    const { logger, onRoot } = this.#deps;
    const trustBundle = this.#deps.trustBundle();
    if (trustBundle === undefined) return;
    try {
      const root = await verifyRoot(jws, { trustBundle, fabricId: this.#deps.fabricId });
      if (jws === this.#waiting) this.#waiting = undefined;
      if (!mayFollow(root, this.#newest)) {
        logger.warn(
          { revision: Number(root.revision), newest: Number(this.#newest?.revision) },
          "an older configuration was offered and is not taken",
        );
        return;
      }
      this.#newest = root;
      onRoot(root);
    } catch (error) {
      if (!isDrawbridgeError(error)) throw error;
      logger.error({ err: error }, "the configuration's root is refused");
    }
  }
}
