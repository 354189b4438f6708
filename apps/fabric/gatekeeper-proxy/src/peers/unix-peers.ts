import { mkdirSync, statSync } from "node:fs";
import { chmod, readdir, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import type { PeerNetwork } from "./peer-network.ts";

const suffix = ".sock";
const mostDialled = 64;

/**
 * Gateways of one machine: a Unix socket for each, named by its id, in a folder that only their user may enter. Who may enter
 * it is who may speak.
 */
export function createUnixPeers(directory: string, own: string): PeerNetwork {
  const path = (gatewayId: string): string => join(directory, `${gatewayId}${suffix}`);
  const server = createServer({ pauseOnConnect: false });
  server.maxConnections = mostDialled;
  return {
    listen: async (onDialled) => {
      openPeerFolder(directory);
      await rm(path(own), { force: true }); // of our earlier life: a gateway id has one process
      server.on("connection", onDialled);
      server.listen(path(own));
      await once(server, "listening");
      server.on("error", () => undefined); // of accept: no file descriptors for a moment; who was cut off dials again
      await chmod(path(own), 0o600);
    },
    others: async () => {
      const names = await readdir(directory).catch(() => []);
      return names
        .filter((name) => name.endsWith(suffix))
        .map((name) => name.slice(0, -suffix.length))
        .filter((gatewayId) => gatewayId !== own);
    },
    dial: async (gatewayId, signal) => {
      const socket = connect(path(gatewayId));
      try {
        await once(socket, "connect", { signal });
        return socket;
      } catch (error) {
        socket.destroy();
        throw error;
      }
    },
    close: () =>
      new Promise((closed) => {
        if (!server.listening) return closed();
        server.close(() => closed()); // takes its socket out of the folder
      }),
  };
}

/**
 * Make the folder, or see that it is ours alone.
 *
 * @throws DrawbridgeError `PEER_FOLDER_OPEN` (failed_precondition)
 */
export function openPeerFolder(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { uid, mode } = statSync(directory);
  if (uid === process.getuid?.() && (mode & 0o077) === 0) return;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "PEER_FOLDER_OPEN",
    message: `${directory} is open to others than the gateways' user: chown it and set its mode to 0700.`,
  });
}
