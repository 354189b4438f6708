import { createServer, type Socket } from "node:net";
import { chmod, mkdir, rm } from "node:fs/promises";
import { once } from "node:events";
import { dirname } from "node:path";
import { DrawbridgeError } from "@drawbridge/errors";
import { systemClock, type Clock, type Component } from "@drawbridge/lifecycle";
import { field, type Logger } from "@drawbridge/telemetry";
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { createImplementation } from "./grpc-call.ts";
import type { GrpcServiceDefinition } from "./grpc-service.ts";
import type { Connection } from "./listener.ts";

export interface UnixGrpcServerOptions {
  /** For the log. */
  readonly name: string;
  /** Of the socket, at most 107 bytes. Its folder is made, for this user alone. */
  readonly path: string;
  /** Callers have no identity: their methods allow "anyone". */
  readonly services: readonly GrpcServiceDefinition[];
  readonly logger: Logger;
  /** Largest message in. Default 1 MiB. */
  readonly maxMessageBytes?: number;
  /** Largest message out. Default `maxMessageBytes`. */
  readonly maxSentMessageBytes?: number;
  readonly clock?: Clock;
}

/** sun_path of unix(7), without its last NUL. */
const maxPathBytes = 107;

/**
 * A gRPC server on a Unix socket, for processes of the same user on the same machine: nobody else may open it (socket 0600 in
 * a folder 0700), and its end is seen at once by whoever is connected. One server per path: a socket that lies there is
 * what an earlier process left.
 * @throws DrawbridgeError at start: `SOCKET_PATH_TOO_LONG` (failed_precondition) | `SOCKET_UNUSABLE` (failed_precondition)
 */
export function createUnixGrpcServer(options: UnixGrpcServerOptions): Component {
  const { path } = options;
  const clock = options.clock ?? systemClock;
  const logger = options.logger.child({ [field.component]: `grpc:${options.name}` });
  const maxMessageBytes = options.maxMessageBytes ?? 1024 * 1024;
  const server = new Server({
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": options.maxSentMessageBytes ?? maxMessageBytes,
    "grpc.enable_channelz": 0,
  });
  const connection: Connection = {
    id: "",
    remoteAddress: "unix",
    peer: undefined,
    close: () => undefined,
    closed: Promise.resolve(),
  };
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    injector.injectConnection(socket);
  });

  for (const service of options.services) {
    const implementation = createImplementation(service, {
      connectionOf: () => connection,
      revocations: undefined,
      clock,
      logger,
      metrics: undefined,
    });
    // As in createGrpcServer: the serialisers are in the generated definitions.
    server.addService(
      service.definition as unknown as ServiceDefinition,
      implementation as unknown as UntypedServiceImplementation,
    );
  }

  return {
    name: `grpc:${options.name}`,
    start: async () => {
      if (Buffer.byteLength(path) > maxPathBytes) throw pathTooLong(path);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await chmod(dirname(path), 0o700); // whatever the umask was, and whoever made it
      await rm(path, { force: true });
      listener.listen(path);
      await once(listener, "listening").catch((error: unknown) => {
        throw unusable(path, error);
      });
      // Of accept, where file descriptors or memory are short for a moment: it must not end the process.
      listener.on("error", (error) => logger.warn({ err: error }, "a connection could not be accepted"));
      await chmod(path, 0o600);
      logger.info({ [field.address]: `unix:${path}` }, "listening");
    },
    stop: async () => {
      // No waiting: clients hold streams for ever, and whatever else is under way they ask for again.
      listener.close();
      server.forceShutdown();
      for (const socket of sockets) socket.destroy(); // grpc-js leaves them open
      await rm(path, { force: true });
    },
  };
}

function pathTooLong(path: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "SOCKET_PATH_TOO_LONG",
    message: `the path of the socket ${path} has more than ${maxPathBytes} bytes: choose a shorter state folder`,
  });
}

function unusable(path: string, cause: unknown): DrawbridgeError {
  return new DrawbridgeError({
    kind: "failed_precondition",
    code: "SOCKET_UNUSABLE",
    message: `the socket ${path} cannot be listened on`,
    cause,
  });
}
