import fc from "fast-check";
import { expect, test } from "vitest";
import { HeadParser } from "./head-parser.ts";
import { parseResponseHead } from "./response-head.ts";

const text = fc.constantFrom(
  "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-One: 1\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-One: 1\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n",
  "HTTP/1.1 204 No Content\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
  "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n",
  `HTTP/1.1 200 OK\r\nX-Long: ${"y".repeat(2_000)}\r\n`,
);
const asked = fc.record({ isHeadRequest: fc.boolean(), isUpgradeRequest: fc.boolean() });

test("an answer's head is read as it would be without the heads before it, whatever was done to those", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(text, asked), { maxLength: 20 }), (heads) => {
      const parser = new HeadParser();
      for (const [head, context] of heads.flatMap((one) => [one, one])) {
        const parsed = parser.parse(head, context);
        expect(parsed).toEqual(parseResponseHead(head, context));
        if (typeof parsed !== "string") parsed.headers.push("x-added", "by a policy");
      }
    }),
  );
});
