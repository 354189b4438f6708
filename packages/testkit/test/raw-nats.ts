import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A NATS client that keeps to nothing but the protocol: what somebody with a stolen login can send. */
export interface RawNats extends Disposable {
  /** Send lines, then wait until the server has worked on them; answers everything it said meanwhile. */
  say(...lines: readonly string[]): Promise<string>;
}

export async function rawNats(url: string, login: string): Promise<RawNats> {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect(Number(port), hostname);
  let heard = "";
  socket.setEncoding("utf8").on("data", (text: string) => (heard += text));
  socket.on("error", () => undefined);
  await once(socket, "connect");
  const [user = "", pass = ""] = login.split(":");

  async function say(...lines: readonly string[]): Promise<string> {
    heard = "";
    socket.write([...lines, "PING", ""].join("\r\n"));
    while (!heard.includes("PONG\r\n")) await once(socket, "data");
    return heard;
  }

  await say(`CONNECT ${JSON.stringify({ user, pass, verbose: false, headers: true, no_responders: true })}`);
  return { say, [Symbol.dispose]: () => socket.destroy() };
}

/** A publication with headers. */
export function hpub(subject: string, headers: Readonly<Record<string, string>>, body: string, reply = ""): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `NATS/1.0\r\n${lines.join("")}\r\n`;
  const sizes = `${Buffer.byteLength(head)} ${Buffer.byteLength(head) + Buffer.byteLength(body)}`;
  return `HPUB ${subject} ${reply === "" ? "" : `${reply} `}${sizes}\r\n${head}${body}`;
}

export function pub(subject: string, body: string, reply = ""): string {
  return `PUB ${subject} ${reply === "" ? "" : `${reply} `}${Buffer.byteLength(body)}\r\n${body}`;
}
