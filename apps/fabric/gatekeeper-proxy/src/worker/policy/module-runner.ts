import { Worker } from "node:worker_threads";
import type { ModuleRunner, PolicyClock, RunningModule } from "@drawbridge/policies";

/** What a module's thread is told and says. */
export type ToModule = { readonly call: number; readonly operation: string; readonly input: unknown };
export type FromModule =
  | { readonly type: "loaded" }
  | { readonly type: "failed"; readonly message: string }
  | { readonly type: "result"; readonly call: number; readonly value: unknown }
  | { readonly type: "thrown"; readonly call: number; readonly message: string };

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly cancelTimeout: () => void;
}

const entry = new URL("module-thread.ts", import.meta.url);

/**
 * Run modules of custom policies, each in a thread of its own that knows nothing of Node: no imports, no files, no network.
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
        isClosed = true;
        void current?.then((open) => open.end("the module was closed"));
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
    execArgv: ["--experimental-vm-modules", "--no-warnings"],
    env: {},
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: options.memoryLimitMb, stackSizeMb: 4 },
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
      worker.postMessage({ call, operation, input } satisfies ToModule);
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
        if (message.type === "result") waiting?.resolve(message.value);
        else waiting?.reject(new Error(message.message));
      }
    }
  });
  worker.on("error", () => end("the module's thread has failed"));
  worker.on("exit", () => end("the module's thread has ended"));
  return promise;
}
