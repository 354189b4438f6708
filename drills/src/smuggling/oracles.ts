import { once } from "node:events";
import { createServer } from "node:http";
import { connect, createServer as createNetServer } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "undici";

/** How many complete requests node's parser sees in what a replica was sent. */
export async function countByNode(bytes: string): Promise<number> {
  let count = 0;
  const server = createServer((request, response) => {
    text(request).then(
      () => {
        count += 1;
        response.end();
      },
      () => undefined, // cut off
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const socket = connect({
    port: typeof address === "object" && address !== null ? address.port : 0,
    host: "127.0.0.1",
  });
  socket.on("error", () => socket.destroy());
  socket.resume();
  socket.end(Buffer.from(bytes, "latin1"));
  await once(socket, "close").catch(() => undefined);
  server.closeAllConnections();
  server.close();
  return count;
}

export interface ReadAnswer {
  readonly status: number | "broken";
  readonly body: string;
}

/** How undici reads the answer of an upstream that sends these bytes and then ends the connection. */
export async function readByUndici(bytes: string): Promise<ReadAnswer> {
  const server = createNetServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end(Buffer.from(bytes, "latin1")));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const client = new Client(`http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`);
  try {
    const answer = await client.request({ method: "GET", path: "/attack", signal: AbortSignal.timeout(5_000) });
    const body = Buffer.from(await answer.body.arrayBuffer()).toString("latin1");
    return { status: answer.statusCode, body };
  } catch {
    return { status: "broken", body: "" };
  } finally {
    await client.destroy();
    server.close();
    await pause(0);
  }
}
