import { createServer, type IncomingHttpHeaders } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { fieldsForNode, LeanRequest } from "./lean-request.ts";

const asked = ["te", "expect", "upgrade", "content-length", "transfer-encoding"] as const;

test.each([
  "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nCONTENT-LENGTH: 3\r\n\r\nabc",
  "POST / HTTP/1.1\r\nHost: a\r\ntransfer-Encoding: chunked\r\nTE: trailers\r\nte: deflate\r\n\r\n0\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nexpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nupgrade: websocket\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 3\r\nX-Expect: 100-continue\r\n\r\n",
])("of %j node is told what it would have read itself", async (text) => {
  const server = createServer({ shouldUpgradeCallback: () => false }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const seen = Promise.withResolvers<{ readonly raw: readonly string[]; readonly headers: IncomingHttpHeaders }>();
  for (const event of ["request", "checkContinue", "checkExpectation"]) {
    server.on(event, ({ rawHeaders: raw, headers }) => seen.resolve({ raw, headers }));
  }
  // A server has an address once it listens.
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write(text);
  const { raw, headers } = await seen.promise;
  const told = fieldsForNode(raw);
  for (const name of asked) expect(told[name]).toBe(headers[name]);
  socket.destroy();
  server.close();
});

test("a request shows these fields and no others", () => {
  const request = new LeanRequest(connect({ port: 1, host: "127.0.0.1" }).on("error", () => undefined));
  request.rawHeaders = ["Host", "a", "Content-Length", "3"];
  expect(request.headers).toEqual({ "content-length": "3" });
});
