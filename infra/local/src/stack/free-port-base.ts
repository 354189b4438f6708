import { createServer } from "node:net";
import { randomInt } from "node:crypto";
import { DrawbridgeError } from "@drawbridge/errors";
import { portRange } from "../backing/free-port.ts";
import { portsPerStack, stackPorts } from "./ports.ts";

const { lowest, highest } = portRange;

/** A port base whose fixed ports are free now: for throw-away stacks. */
export async function freePortBase(): Promise<number> {
  const slots = Math.floor((highest - lowest) / portsPerStack);
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const base = lowest + randomInt(slots) * portsPerStack;
    const { internal, ops, apps: _apps, base: _base, ...single } = stackPorts(base);
    const ports = [...Object.values(single), ...Object.values(internal), ...Object.values(ops)];
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return base;
  }
  throw new DrawbridgeError({
    kind: "resource_exhausted",
    code: "NO_FREE_PORTS",
    message: `no ${portsPerStack} free ports in a row between ${lowest} and ${highest}`,
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host: "127.0.0.1", port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
