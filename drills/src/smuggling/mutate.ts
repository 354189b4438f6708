import { pick } from "../seeded-random.ts";

/** What requests and answers are made of, and what parsers disagree about. */
const tokens = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "0",
  "5",
  "\u000b",
  "\u00ff",
  "%2f",
  "%00",
  "//",
  "/../",
  "#",
  "Transfer-Encoding: chunked\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Connection: close\r\n",
  "Host: b.example\r\n",
  "HTTP/1.0",
  "HTTP/1.1",
  "0\r\n\r\n",
  "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n",
];

/** The text with one to three places changed: something put in, left out, doubled or replaced. */
export function mutate(text: string, random: () => number): string {
  let result = text;
  const changes = 1 + Math.floor(random() * 3);
  for (let change = 0; change < changes; change += 1) {
    const at = Math.floor(random() * (result.length + 1));
    const length = 1 + Math.floor(random() * 8);
    switch (Math.floor(random() * 4)) {
      case 0:
        result = result.slice(0, at) + pick(tokens, random) + result.slice(at);
        break;
      case 1:
        result = result.slice(0, at) + result.slice(at + length);
        break;
      case 2:
        result = result.slice(0, at + length) + result.slice(at);
        break;
      default:
        result = result.slice(0, at) + pick(tokens, random) + result.slice(at + length);
    }
  }
  return result;
}
