// A server that stands still until a file is there, while clients connect, and then stops accepting. Argument: the file.
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { stopAccepting, systemClock } from "../src/index.ts";

const [file = ""] = process.argv.slice(2);
const server = createServer((_request, response) => response.setHeader("connection", "close").end("served"));
server.listen({ host: "127.0.0.1", port: 0, reusePort: true }, () => {
  process.send?.((server.address() as AddressInfo).port, () => {
    while (!existsSync(file)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    stopAccepting(server, systemClock, () => process.disconnect?.());
  });
});
