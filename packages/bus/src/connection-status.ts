import type { Clock } from "@drawbridge/lifecycle";
import type { NatsConnection } from "@nats-io/nats-core";
import type { BusLogger } from "./bus-logger.ts";
import { translateBusError } from "./translate-error.ts";

export interface ConnectionStatus {
  isConnected(): boolean;
  /** Undefined while connected. */
  missing(): string | undefined;
  /** From now on a lost connection is intended. */
  closing(): void;
}

/** Follows a connection's events; logs an outage when it begins and when it ends. */
export function followConnection(
  nc: NatsConnection,
  logger: BusLogger,
  clock: Clock,
  onReconnect: () => Promise<void>,
): ConnectionStatus {
  let downSince: Date | undefined;
  let isClosing = false;

  function lost(): void {
    if (downSince !== undefined || isClosing) return;
    downSince = clock.now();
    logger.warn({}, "message bus lost, will retry");
  }

  async function follow(): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === "disconnect" || status.type === "staleConnection") lost();
      if (status.type === "error")
        logger.warn({ err: translateBusError(status.error) }, "message bus reports an error");
      if (status.type === "reconnect") {
        const outageMs = downSince === undefined ? 0 : clock.now().getTime() - downSince.getTime();
        downSince = undefined;
        logger.info({ outageMs, server_version: nc.info?.version }, "message bus is back");
        void onReconnect(); // logs its own failure
      }
    }
    lost(); // closed by the other side, for good
  }

  void follow();
  return {
    isConnected: () => downSince === undefined && !nc.isClosed(),
    missing: () => {
      if (nc.isClosed()) return "the connection to the message bus is closed";
      return downSince === undefined ? undefined : `the message bus is away since ${downSince.toISOString()}`;
    },
    closing: () => {
      isClosing = true;
    },
  };
}
