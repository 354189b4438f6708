import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { readMessage, type ReadMessage } from "./message-reader.ts";

/** An upstream that knows nothing of HTTP but what its own reader says, and keeps everything that it was sent. */
export interface RawUpstream extends AsyncDisposable {
  readonly port: number;
  /** Complete requests since the last `reset`, in the order of their ends. */
  requests(): readonly ReadMessage[];
  /** What no reader could take for requests without doubt. */
  doubts(): readonly string[];
  bytesSeen(): string;
  /** The same by connection. */
  connections(): readonly string[];
  reset(answer?: (request: ReadMessage, socket: Socket) => void): void;
}

export const plainAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

export async function startRawUpstream(): Promise<RawUpstream> {
  const sockets = new Set<Socket>();
  let requests: ReadMessage[] = [];
  let doubts: string[] = [];
  let seen = "";
  let byConnection = new Map<Socket, string>();
  const plain = (_request: ReadMessage, socket: Socket): void => void socket.write(plainAnswer);
  let answer = plain;

  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    let text = "";
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    socket.on("data", (bytes) => {
      const piece = bytes.toString("latin1");
      seen += piece;
      byConnection.set(socket, (byConnection.get(socket) ?? "") + piece);
      text += piece;
      for (;;) {
        const result = readMessage(text);
        if (result.state === "broken") {
          doubts.push(result.why);
          socket.destroy();
        }
        if (result.state !== "complete") return;
        text = result.rest;
        requests.push(result.message);
        doubts.push(...result.message.doubts, ...requestDoubts(result.message));
        answer(result.message, socket);
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    requests: () => requests,
    doubts: () => doubts,
    bytesSeen: () => seen,
    connections: () => [...byConnection.values()],
    reset(next = plain) {
      requests = [];
      doubts = [];
      seen = "";
      byConnection = new Map();
      answer = next;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function requestDoubts({ startLine, fields }: ReadMessage): string[] {
  const doubts: string[] = [];
  const [, target = ""] = /^[A-Z]+ (\S+) HTTP\/1\.1$/.exec(startLine) ?? [];
  if (target === "") doubts.push(`start line ${JSON.stringify(startLine)}`);
  else if (!target.startsWith("/")) doubts.push(`no origin form: ${target}`);
  const path = target.split("?", 1)[0] ?? "";
  if (/%2f|%5c|%00|\\|#|;/i.test(path) || /\/\/|\/\.{1,2}(?:\/|$)/.test(path)) doubts.push(`path not normal: ${path}`);
  const hosts = fields.filter(([name]) => name === "host");
  if (hosts.length !== 1) doubts.push(`${hosts.length} Host fields`);
  return doubts;
}
