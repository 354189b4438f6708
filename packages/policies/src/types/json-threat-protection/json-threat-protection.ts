import { z } from "zod";
import { definePolicyType } from "../../policy-type.ts";
import { bodyFields, classifyBody } from "../body-content.ts";
import { findJsonProblem, type JsonProblem } from "./find-json-problem.ts";

const limit = (most: number, usual: number, description: string) =>
  z.number().int().min(0).max(most).default(usual).describe(description);

const schema = z.strictObject({
  depth: limit(1000, 32, "deepest nesting of objects and arrays"),
  values: limit(1_000_000, 10_000, "most values in the whole body, objects and arrays included"),
  stringLength: limit(4_194_304, 65_536, "longest string, in characters"),
  nameLength: limit(65_536, 256, "longest name of an object's entry, in characters"),
  objectEntries: limit(100_000, 1000, "most entries of one object"),
  arrayElements: limit(1_000_000, 10_000, "most elements of one array"),
  numberLength: limit(4096, 64, "longest number, in characters"),
  allowDuplicateNames: z
    .boolean()
    .default(false)
    .describe("accept objects that have a name twice, of which readers see different ones"),
  ...bodyFields,
});

type Configuration = z.output<typeof schema>;

const titles: Readonly<Record<Exclude<JsonProblem, "malformed">, string>> = {
  depth: "The body is nested too deeply",
  values: "The body has too many values",
  stringLength: "The body has a string that is too long",
  nameLength: "The body has a name that is too long",
  objectEntries: "The body has an object with too many entries",
  arrayElements: "The body has an array with too many elements",
  numberLength: "The body has a number that is too long",
  duplicateName: "The body has an object with a name twice",
};

function isJson(type: string): boolean {
  return type === "application/json" || type === "text/json" || type.endsWith("+json");
}

export const jsonThreatProtection = definePolicyType<Configuration>({
  type: "json-threat-protection",
  title: "JSON threat protection",
  description: "Refuses JSON bodies that are malformed, nested too deeply, too long or ambiguous.",
  category: "security",
  schema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: ({ maximumBytes }) => maximumBytes,
  create: (configuration, context) => ({
    bodyBytes: configuration.maximumBytes,
    onRequest(exchange) {
      const content = classifyBody(exchange, { isOurs: isJson, otherContent: configuration.otherContent });
      if (content === "none" || content === "pass") return undefined;
      if (content !== "inspect") return context.refuse(exchange, content);
      const problem = findJsonProblem(exchange.body ?? new Uint8Array(), configuration);
      if (!problem) return undefined;
      return problem === "malformed"
        ? context.refuse(exchange, { status: 400, reason: "json_malformed", title: "The body is no JSON text" })
        : context.refuse(exchange, { status: 400, reason: "json_limit_exceeded", title: titles[problem] });
    },
  }),
});
