import type { Clock } from "@drawbridge/lifecycle";
import type { Connection } from "@drawbridge/rpc";

/** The connections under the tunnels, by id: to cut one when its session may not live on. */
export interface Connections {
  add(connection: Connection): void;
  close(connectionId: string, reason: string): void;
  /** After a moment in which the last frame can arrive. */
  closeSoon(connectionId: string, reason: string): void;
  /** Cut those whose moment has passed. */
  closeDue(nowMs: number): void;
}

const lastFrameMs = 2_000;

export function createConnections(clock: Pick<Clock, "monotonicMs">): Connections {
  const connections = new Map<string, Connection>();
  const due: { readonly connectionId: string; readonly reason: string; readonly atMs: number }[] = [];

  function close(connectionId: string, reason: string): void {
    connections.get(connectionId)?.close(reason);
  }

  return {
    close,
    add: (connection) => {
      connections.set(connection.id, connection);
      void connection.closed.then(() => connections.delete(connection.id));
    },
    closeSoon: (connectionId, reason) => {
      due.push({ connectionId, reason, atMs: clock.monotonicMs() + lastFrameMs });
    },
    closeDue: (nowMs) => {
      while (due[0] && due[0].atMs <= nowMs) {
        const { connectionId, reason } = due[0];
        due.shift();
        close(connectionId, reason);
      }
    },
  };
}
