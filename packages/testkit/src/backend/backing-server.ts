import type { ManagedProcess } from "@drawbridge/local";
import { tempDir } from "../temp-dir.ts";

/** A backing service that a test may kill. */
export interface KillableServer {
  /** SIGKILL. Clients see their connections break. */
  kill(): Promise<void>;
  /** Start again on the same state and port. */
  start(): Promise<void>;
  /** An orderly stop and a start. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Start a process on a folder of its own; both are gone after the disposal. */
export async function startInTempDir<Server extends ManagedProcess>(
  start: (stateDir: string) => Promise<Server>,
): Promise<{ readonly server: Server; readonly controls: KillableServer & AsyncDisposable }> {
  const folder = await tempDir();
  try {
    const server = await start(folder.path);
    const controls = {
      kill: () => server.kill(),
      start: () => server.start(),
      restart: () => server.restart(),
      stop: () => server.stop(),
      [Symbol.asyncDispose]: async () => {
        await server.stop();
        await folder[Symbol.asyncDispose]();
      },
    };
    return { server, controls };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}
