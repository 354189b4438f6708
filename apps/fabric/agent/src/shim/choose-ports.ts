import { createServer } from "node:net";
import type { PortRange } from "@drawbridge/app-routes";
import type { Random } from "@drawbridge/lifecycle";

const maxAttempts = 200;

/** Can the port be listened on now? */
export function isPortFree(port: number, address = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: address, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * Ports for `names`, by name: the previous one where it is still free, otherwise a random free one of the range. Chosen
 * before each start, so that a port that somebody took meanwhile does not become a crash loop.
 */
export async function choosePorts(options: {
  readonly names: readonly string[];
  readonly previous: Readonly<Record<string, number>>;
  readonly range: PortRange;
  readonly random: Random;
}): Promise<Readonly<Record<string, number>>> {
  const { range, random } = options;
  const chosen = new Map<string, number>();
  for (const name of options.names) {
    const previous = options.previous[name];
    let port = previous;
    for (let attempt = 0; port === undefined || !(await isUsable(port)); attempt += 1) {
      if (attempt === maxAttempts) throw new Error(`no free port between ${range.from} and ${range.to}`);
      port = range.from + Math.floor(random.next() * (range.to - range.from + 1));
    }
    chosen.set(name, port);
  }
  return Object.fromEntries(chosen);

  async function isUsable(port: number): Promise<boolean> {
    return ![...chosen.values()].includes(port) && (await isPortFree(port));
  }
}
