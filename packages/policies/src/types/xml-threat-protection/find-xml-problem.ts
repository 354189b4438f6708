import { isUtf8 } from "node:buffer";
import { SaxesParser } from "saxes";

/** Limits on an XML document. Lengths are in UTF-16 code units. */
export interface XmlLimits {
  /** Elements within each other, the root included. */
  readonly depth: number;
  /** Elements in all. */
  readonly elements: number;
  /** Child elements of one element. */
  readonly children: number;
  /** Attributes of one element, namespace declarations included. */
  readonly attributes: number;
  readonly attributeLength: number;
  /** One run of text or one CDATA section. */
  readonly textLength: number;
  readonly commentLength: number;
  /** Names of elements and attributes, prefix included. */
  readonly nameLength: number;
  /** Namespace declarations in all. */
  readonly namespaces: number;
  readonly allowProcessingInstructions: boolean;
}

export type XmlProblem =
  | "malformed"
  | "doctype"
  | "version"
  | "encoding"
  | "processingInstruction"
  | Exclude<keyof XmlLimits, "allowProcessingInstructions">;

/** Leaves the parser from inside a handler; it has no other way to be stopped. */
class Stop extends Error {
  readonly problem: XmlProblem;

  constructor(problem: XmlProblem) {
    super(problem);
    this.problem = problem;
  }
}

const pieceLength = 16_384;

/**
 * The first thing that is wrong with `bytes` as an XML 1.0 document with namespaces in UTF-8, or undefined. A document type
 * declaration is a problem wherever it leads, so that the only entities are the five that XML defines and characters by
 * number. The parser stops at the first problem.
 */
export function findXmlProblem(bytes: Uint8Array, limits: XmlLimits): XmlProblem | undefined {
  if (!isUtf8(bytes)) return "malformed";
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  const parser = createLimitedParser(limits);
  try {
    for (let at = 0; at < text.length; at += pieceLength) parser.write(text.slice(at, at + pieceLength));
    parser.close();
    return undefined;
  } catch (error) {
    return error instanceof Stop ? error.problem : "malformed";
  }
}

function createLimitedParser(limits: XmlLimits): SaxesParser<{ xmlns: true }> {
  const parser = new SaxesParser({ xmlns: true, position: false });
  /** Child elements so far of each open element. */
  const open: number[] = [];
  let elements = 0;
  let attributes = 0;
  let namespaces = 0;
  const stopIf = (isProblem: boolean, problem: XmlProblem) => {
    if (isProblem) throw new Stop(problem);
  };
  parser.on("error", () => stopIf(true, "malformed"));
  parser.on("doctype", () => stopIf(true, "doctype"));
  parser.on("xmldecl", ({ version, encoding }) => {
    // A reader that ignores the declaration and one that follows it must not see different documents.
    stopIf(version !== "1.0", "version");
    stopIf(encoding !== undefined && !/^(utf-8|us-ascii)$/i.test(encoding), "encoding");
  });
  parser.on("processinginstruction", () => stopIf(!limits.allowProcessingInstructions, "processingInstruction"));
  parser.on("opentagstart", ({ name }) => {
    stopIf(name.length > limits.nameLength, "nameLength");
    elements += 1;
    stopIf(elements > limits.elements, "elements");
    const siblings = (open.at(-1) ?? 0) + 1;
    if (open.length > 0) open[open.length - 1] = siblings;
    stopIf(open.length > 0 && siblings > limits.children, "children");
    open.push(0);
    stopIf(open.length > limits.depth, "depth");
    attributes = 0;
  });
  parser.on("attribute", ({ name, value }) => {
    attributes += 1;
    stopIf(attributes > limits.attributes, "attributes");
    stopIf(name.length > limits.nameLength, "nameLength");
    stopIf(value.length > limits.attributeLength, "attributeLength");
    if (name === "xmlns" || name.startsWith("xmlns:")) namespaces += 1;
    stopIf(namespaces > limits.namespaces, "namespaces");
  });
  parser.on("closetag", () => open.pop());
  parser.on("text", (text) => stopIf(text.length > limits.textLength, "textLength"));
  parser.on("cdata", (text) => stopIf(text.length > limits.textLength, "textLength"));
  parser.on("comment", (text) => stopIf(text.length > limits.commentLength, "commentLength"));
  return parser;
}
