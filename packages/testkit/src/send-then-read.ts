import { once } from "node:events";
import type { Socket } from "node:net";

/** More than the system takes in for a connection that nobody reads: whoever sends so much meets what became of it meanwhile. */
const bodyBytes = 20_000_000;

/**
 * Send a request with a large body as a client that reads nothing before all is sent, as blocking ones do.
 *
 * @param head with CRLFs, without its length and its end
 * @param behind sent behind the body
 * @returns all that the server said until it closed
 * @throws Error if the connection broke
 */
export async function sendThenRead(socket: Socket, head: string, behind = ""): Promise<string> {
  const { promise: sent, resolve, reject } = Promise.withResolvers<void>();
  socket.pause();
  socket.once("error", reject);
  socket.write(`${head}content-length: ${bodyBytes}\r\n\r\n`);
  socket.write(Buffer.alloc(bodyBytes));
  socket.write(behind, (error) => (error ? reject(error) : resolve()));
  await sent;
  let said = "";
  socket.setEncoding("latin1").on("data", (text: string) => (said += text));
  await once(socket.resume(), "end");
  socket.end();
  return said;
}
