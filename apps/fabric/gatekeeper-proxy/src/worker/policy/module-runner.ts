import { dirname, extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import type { ModuleRunner, PolicyClock, RunningModule } from "@drawbridge/policies";

/** What a module's thread is told and says. */
export type ToModule = {
  readonly call: number;
  readonly operation: string;
  /** JSON of the list of its arguments: only text passes into the module's realm and out of it. */
  readonly input: string;
};
export type FromModule =
  | { readonly type: "loaded" }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "result"; readonly call: number; readonly value: string }
  | { readonly type: "thrown"; readonly call: number; readonly message: string };

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly cancelTimeout: () => void;
}

/** ".ts" here, ".js" in an image. */
const extension = extname(import.meta.filename);
const entry = join(import.meta.dirname, `module-thread${extension}`);
/** All that the thread itself is made of, and where Node.js looks up that it is an ES module. */
const readable = [
  entry,
  join(import.meta.dirname, `module-realm${extension}`),
  ...foldersAbove(entry).map((folder) => join(folder, "package.json")),
];

function foldersAbove(path: string): string[] {
  const folder = dirname(path);
  return folder === path ? [] : [folder, ...foldersAbove(folder)];
}

/** A module that was replaced ends after so long: requests that began under it end under it. */
const closeAfterMs = 10_000;

/**
 * Run modules of custom policies, each in a thread of its own that knows nothing of Node: no imports, no files, no network.
 * Three walls, one behind the other: a realm without any of it; the thread's own realm, emptied; and Node's permissions, by
 * which this thread may read nothing but its own code, and may not write, dial, or start processes and threads.
 * A call that breaks its time limit ends the thread, since it may never return; the next call finds a new one.
 */
export function createModuleRunner(clock: Pick<PolicyClock, "after">): ModuleRunner {
  return async (options) => {
    let current: Promise<ModuleThread> | undefined;
    let isClosed = false;
    const thread = (): Promise<ModuleThread> => {
      if (isClosed) return Promise.reject(new Error("the module was closed"));
      current ??= startThread(options, clock, () => (current = undefined));
      return current;
    };
    await thread();
    const running: RunningModule = {
      call: async (operation, input, timeoutMs) => (await thread()).call(operation, input, timeoutMs),
      close: () => {
        clock.after(closeAfterMs, () => {
          isClosed = true;
          current?.then(
            (open) => open.end("the module was closed"),
            () => undefined, // it never started
          );
        });
      },
    };
    return running;
  };
}

interface ModuleThread {
  call(operation: string, input: unknown, timeoutMs: number): Promise<unknown>;
  end(reason: string): void;
}

function startThread(
  options: Parameters<ModuleRunner>[0],
  clock: Pick<PolicyClock, "after">,
  onEnded: () => void,
): Promise<ModuleThread> {
  const { promise, resolve, reject } = Promise.withResolvers<ModuleThread>();
  const pending = new Map<number, Pending>();
  let calls = 0;
  const worker = new Worker(entry, {
    workerData: { source: options.source, name: options.name },
    execArgv: [
      "--experimental-vm-modules",
      "--no-warnings",
      "--permission",
      ...readable.map((path) => `--allow-fs-read=${path}`),
    ],
    env: {},
    stdout: true,
    stderr: true,
    resourceLimits: {
      maxOldGenerationSizeMb: options.memoryLimitMb,
      maxYoungGenerationSizeMb: 4,
      codeRangeSizeMb: 16,
      stackSizeMb: 4,
    },
  });
  worker.unref();

  function end(reason: string): void {
    onEnded();
    const error = new Error(reason);
    reject(error);
    for (const { reject: refuse, cancelTimeout } of pending.values()) {
      cancelTimeout();
      refuse(error);
    }
    pending.clear();
    void worker.terminate();
  }

  const thread: ModuleThread = {
    end,
    call(operation, input, timeoutMs) {
      calls += 1;
      const call = calls;
      const result = Promise.withResolvers<unknown>();
      const cancelTimeout = clock.after(timeoutMs, () => end(`the module took longer than ${timeoutMs} ms`));
      pending.set(call, { resolve: result.resolve, reject: result.reject, cancelTimeout });
      worker.postMessage({ call, operation, input: JSON.stringify(input) } satisfies ToModule);
      return result.promise;
    },
  };
  const cancelLoading = clock.after(options.loadTimeoutMs, () => end("the module took too long to load"));
  worker.on("message", (message: FromModule) => {
    switch (message.type) {
      case "loaded":
        cancelLoading();
        return resolve(thread);
      case "failed":
        cancelLoading();
        return end(message.message);
      case "result":
      case "thrown": {
        const waiting = pending.get(message.call);
        pending.delete(message.call);
        waiting?.cancelTimeout();
        if (message.type === "result") waiting?.resolve(JSON.parse(message.value));
        else waiting?.reject(new Error(message.message));
      }
    }
  });
  worker.on("error", () => end("the module's thread has failed"));
  worker.on("exit", () => end("the module's thread has ended"));
  return promise;
}
