import { createReadStream } from "node:fs";
import { DrawbridgeError } from "@drawbridge/errors";
import { parseActivationToken, type ActivationToken } from "../activation/activation-token.ts";
import { errorCodeOf } from "../state/atomic-file.ts";

/** Larger than any token. */
const maxBytes = 16 * 1024;

/** A token and the file that it was read from, to be shredded; none for standard input. */
export interface TokenSource {
  readonly token: ActivationToken;
  readonly file: string | undefined;
}

/**
 * Read the token from a file or, with "-", from standard input. Never from an argument: those are visible to every user of
 * the machine.
 * @throws DrawbridgeError `ACTIVATION_TOKEN_MISSING`, `ACTIVATION_TOKEN_UNREADABLE` (invalid_argument) and what `parseActivationToken` throws
 */
export async function readToken(path: string | undefined, stdin: AsyncIterable<unknown>): Promise<TokenSource> {
  if (path === undefined) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "ACTIVATION_TOKEN_MISSING",
      message:
        "no activation token: give --token-file <file>, --token-file - for standard input, or DRAWBRIDGE_ACTIVATION_TOKEN_FILE",
    });
  }
  if (path === "-") return { token: parseActivationToken(await readAll(stdin, "standard input")), file: undefined };
  if (path.startsWith("fat1.")) {
    throw unreadable(
      "a token was given in place of a file name; it is now visible in this machine's process list: revoke it, make a new one, and write that to a file",
    );
  }
  try {
    // One byte more than allowed is enough to see that it is too large; `end` is inclusive.
    const text = await readAll(createReadStream(path, { end: maxBytes }), `the file ${path}`);
    return { token: parseActivationToken(text), file: path };
  } catch (error) {
    if (error instanceof DrawbridgeError) throw error;
    throw unreadable(`the file ${path} cannot be read (${errorCodeOf(error)})`);
  }
}

async function readAll(source: AsyncIterable<unknown>, name: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of source) {
    const bytes = chunk instanceof Uint8Array ? chunk : Buffer.from(String(chunk));
    sizeBytes += bytes.length;
    if (sizeBytes > maxBytes) throw unreadable(`${name} holds more than a token`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function unreadable(message: string): DrawbridgeError {
  return new DrawbridgeError({ kind: "invalid_argument", code: "ACTIVATION_TOKEN_UNREADABLE", message });
}
