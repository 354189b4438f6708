/**
 * The process that holds chdb: the engine takes threads of the libuv pool, hundreds of megabytes and, when it fails, its
 * whole process, so it gets one of its own. It lives as long as its channel: whoever started it may be killed, and the
 * directory's lock must go with him.
 */
import { faultOf, openEngineSessions, type EngineSessions } from "./engine-sessions.ts";
import type { EngineAnswer, EngineRequest } from "./protocol.ts";

let engine: EngineSessions | undefined;

process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
// A terminal sends these to the whole group; when to stop is the service's decision.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
// What comes over the channel was sent by our own engine-process.ts.
process.on("message", (request) => void answer(request as EngineRequest));

async function answer(request: EngineRequest): Promise<void> {
  try {
    const body = await perform(request);
    if (request.kind !== "cancel") send({ outcome: "done", id: request.id, body });
  } catch (error) {
    if (request.kind !== "cancel") send({ outcome: "failed", id: request.id, fault: faultOf(error) });
  }
  if (request.kind === "close") process.exit(0);
}

async function perform(request: EngineRequest): Promise<Uint8Array | undefined> {
  if (request.kind === "open") {
    engine = await openEngineSessions(request.configuration);
    return undefined;
  }
  if (engine === undefined) throw new Error("the engine is not open");
  switch (request.kind) {
    case "run":
      return engine.run(request.id, request.statement, request.format);
    case "openStream":
      await engine.openStream(request.id, request.statement, request.format);
      return undefined;
    case "pull":
      return engine.pull(request.stream);
    case "closeStream":
      await engine.closeStream(request.stream);
      return undefined;
    case "cancel":
      await engine.cancel(request.id);
      return undefined;
    case "close":
      engine.close();
      return undefined;
  }
}

function send(message: EngineAnswer): void {
  // Without a channel there is nobody to tell, and "disconnect" ends the process.
  if (process.connected) process.send?.(message);
}
