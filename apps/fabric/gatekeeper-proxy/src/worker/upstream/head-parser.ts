import { parseResponseHead, type HeadContext, type MalformedHead, type ResponseHead } from "./response-head.ts";

/** Longer ones are parsed each time. */
const longestKept = 1_024;

/** Parses the heads of one connection's answers; one that is, byte for byte, the same as the one before is not parsed again. */
export class HeadParser {
  #text = "";
  #isHeadRequest = false;
  #isUpgradeRequest = false;
  #head: ResponseHead | undefined = undefined;

  /** The same as `parseResponseHead`; `headers` is the caller's own. */
  parse(text: string, context: HeadContext): ResponseHead | MalformedHead {
    const { isHeadRequest, isUpgradeRequest } = context;
    const known = this.#head;
    if (
      known !== undefined &&
      text === this.#text &&
      isHeadRequest === this.#isHeadRequest &&
      isUpgradeRequest === this.#isUpgradeRequest
    ) {
      return { ...known, headers: known.headers.slice() };
    }
    const head = parseResponseHead(text, context);
    this.#head = undefined;
    if (typeof head === "string" || text.length > longestKept) return head;
    this.#text = text;
    this.#isHeadRequest = isHeadRequest;
    this.#isUpgradeRequest = isUpgradeRequest;
    this.#head = { ...head, headers: head.headers.slice() };
    return head;
  }
}
