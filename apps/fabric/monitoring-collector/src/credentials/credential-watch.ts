import { watch, type FSWatcher } from "node:fs";
import { dirname } from "node:path";
import type { Clock, Component } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import {
  checkCredentials,
  digestOf,
  readCredentialTexts,
  type CredentialFiles,
  type Credentials,
} from "./read-credentials.ts";

/** How often the files are looked at: notices of the file system come sooner, but not from every file system. */
const pollMs = 2_000;

/** The newest credentials that can be used. What is half written, torn or wrong never gets here. */
export interface CredentialWatch extends Component {
  current(): Credentials | undefined;
  /** Why the files as they are now cannot be used; undefined while they can. */
  problem(): string | undefined;
  /** Called after each change of `current`. */
  onChange(listener: () => void): void;
}

export function createCredentialWatch(deps: {
  readonly files: CredentialFiles;
  /** Now as the control plane has it: a wrong clock here must not make a good certificate look expired. */
  readonly correctedNow: () => Date;
  readonly clock: Clock;
  readonly logger: Logger;
}): CredentialWatch {
  const { files, clock } = deps;
  const logger = deps.logger.child({ [field.component]: "credentials" });
  const folders = [files.monitoring, dirname(files.trustBundle)];
  const watchers = new Map<string, FSWatcher>();
  const listeners = new Set<() => void>();
  const stopping = new AbortController();
  let wake = new AbortController();
  let current: Credentials | undefined;
  let problem: string | undefined;
  let running: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    const texts = await readCredentialTexts(files);
    if ("missing" in texts) {
      settle(current === undefined ? `waiting for ${texts.missing}` : `${texts.missing} is gone`);
      return;
    }
    if (current?.digest === digestOf(texts)) {
      settle(undefined);
      return;
    }
    const reading = checkCredentials(texts, deps.correctedNow());
    if (reading.outcome !== "usable") {
      settle(reading.reason);
      return;
    }
    current = reading.credentials;
    const { serialNumber, notAfter, trustBundle } = current.identity;
    logger.info(
      { [field.serialNumber]: serialNumber, not_after: notAfter, trust_bundle: String(trustBundle.sequence) },
      "monitoring certificate taken from its files",
    );
    settle(undefined);
    for (const listener of listeners) listener();
  }

  /** A problem is logged when it begins, when it changes, and when it ends. */
  function settle(next: string | undefined): void {
    if (next === problem) return;
    if (next === undefined) logger.info({}, "the monitoring certificate's files are in order");
    else if (current === undefined) logger.warn({ reason: next }, "no usable monitoring certificate yet");
    else
      logger.error(
        { reason: next },
        "the monitoring certificate's files cannot be used, going on with the earlier ones",
      );
    problem = next;
  }

  /** The agent may make the folders later than we start. */
  function watchFolders(): void {
    for (const folder of folders) {
      if (watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, () => wake.abort());
        watcher.once("error", () => {
          watcher.close();
          watchers.delete(folder);
        });
        watchers.set(folder, watcher);
      } catch {
        // Not there yet: the next look tries again.
      }
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await clock.sleep(pollMs, AbortSignal.any([wake.signal, stopping.signal])).catch(() => undefined); // woken
      wake = new AbortController();
      watchFolders();
      await look();
    }
  }

  return {
    name: "credentials",
    current: () => current,
    problem: () => problem,
    onChange: (listener) => void listeners.add(listener),
    start: async () => {
      watchFolders();
      await look();
      running = run();
    },
    stop: async () => {
      stopping.abort(new Error("stopping"));
      for (const watcher of watchers.values()) watcher.close();
      await running;
    },
  };
}
