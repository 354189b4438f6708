import type { Readable } from "node:stream";

/**
 * The lines of an answer, as they come, without empty ones. Whoever stops reading ends the answer; that it then breaks off is no
 * error of anybody, which readline would make of it.
 */
export async function* textLines(body: Readable): AsyncGenerator<string> {
  body.on("error", () => undefined);
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
  }
  if (rest !== "") yield rest;
}
