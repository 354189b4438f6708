import { z } from "zod";
import { definePolicyType } from "../../policy-type.ts";
import { bodyFields, classifyBody } from "../body-content.ts";
import { findXmlProblem, type XmlProblem } from "./find-xml-problem.ts";

const limit = (most: number, usual: number, description: string) =>
  z.number().int().min(0).max(most).default(usual).describe(description);

const schema = z.strictObject({
  depth: limit(1000, 32, "deepest nesting of elements, the root included"),
  elements: limit(1_000_000, 10_000, "most elements in the whole body"),
  children: limit(1_000_000, 1000, "most child elements of one element"),
  attributes: limit(10_000, 100, "most attributes of one element, namespace declarations included"),
  attributeLength: limit(4_194_304, 4096, "longest value of an attribute"),
  textLength: limit(4_194_304, 65_536, "longest run of text or CDATA section"),
  commentLength: limit(4_194_304, 4096, "longest comment"),
  nameLength: limit(65_536, 256, "longest name of an element or attribute"),
  namespaces: limit(10_000, 50, "most namespace declarations in the whole body"),
  allowProcessingInstructions: z.boolean().default(false).describe("accept processing instructions"),
  ...bodyFields,
});

type Configuration = z.output<typeof schema>;

const titles: Readonly<Record<Exclude<XmlProblem, "malformed">, string>> = {
  doctype: "The body has a document type declaration",
  version: "The body is no XML 1.0",
  encoding: "The body states an encoding that is not accepted here",
  processingInstruction: "The body has a processing instruction",
  depth: "The body is nested too deeply",
  elements: "The body has too many elements",
  children: "The body has an element with too many children",
  attributes: "The body has an element with too many attributes",
  attributeLength: "The body has an attribute that is too long",
  textLength: "The body has a text that is too long",
  commentLength: "The body has a comment that is too long",
  nameLength: "The body has a name that is too long",
  namespaces: "The body has too many namespace declarations",
};

function isXml(type: string): boolean {
  return type === "application/xml" || type === "text/xml" || type.endsWith("+xml");
}

export const xmlThreatProtection = definePolicyType<Configuration>({
  type: "xml-threat-protection",
  title: "XML threat protection",
  description:
    "Refuses XML bodies that are malformed, have a document type declaration, or are nested too deeply or too long.",
  category: "security",
  schema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: ({ maximumBytes }) => maximumBytes,
  create: (configuration, context) => ({
    bodyBytes: configuration.maximumBytes,
    onRequest(exchange) {
      const content = classifyBody(exchange, { isOurs: isXml, otherContent: configuration.otherContent });
      if (content === "none" || content === "pass") return undefined;
      if (content !== "inspect") return context.refuse(exchange, content);
      const problem = findXmlProblem(exchange.body ?? new Uint8Array(), configuration);
      if (!problem) return undefined;
      return problem === "malformed"
        ? context.refuse(exchange, { status: 400, reason: "xml_malformed", title: "The body is no XML document" })
        : context.refuse(exchange, { status: 400, reason: "xml_limit_exceeded", title: titles[problem] });
    },
  }),
});
