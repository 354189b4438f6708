import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A wire between clients and a server that the test can hold: what the server says stays in it. */
export interface Relay extends AsyncDisposable {
  readonly address: string;
  holdAnswers(): void;
  letGo(): void;
  /** Resolves with the next bytes on their way to the server. */
  asked(): Promise<void>;
}

export async function startRelay(target: string): Promise<Relay> {
  const [host = "", port = ""] = target.split(":");
  const pairs = new Set<{ readonly client: Socket; readonly upstream: Socket }>();
  let isHeld = false;
  let next = Promise.withResolvers<void>();
  const server = createServer((client) => {
    const pair = { client, upstream: connect(Number(port), host) };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      pair.upstream.destroy();
    };
    for (const socket of [client, pair.upstream]) socket.on("error", end).on("close", end);
    client.pipe(pair.upstream);
    client.on("data", () => {
      next.resolve();
      next = Promise.withResolvers<void>();
    });
    if (!isHeld) pair.upstream.pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: own } = server.address() as AddressInfo; // it listens on TCP
  return {
    address: `127.0.0.1:${own}`,
    holdAnswers: () => {
      isHeld = true;
      for (const { client, upstream } of pairs) upstream.unpipe(client);
    },
    letGo: () => {
      isHeld = false;
      for (const { client, upstream } of pairs) upstream.pipe(client);
    },
    asked: () => next.promise,
    [Symbol.asyncDispose]: async () => {
      for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
