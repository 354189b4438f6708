import { expect, test } from "vitest";
import { anExchange, createPolicy, problemsOf, verdictOf } from "../../testing/harness.ts";
import { findXmlProblem, type XmlLimits } from "./find-xml-problem.ts";
import { xmlThreatProtection } from "./xml-threat-protection.ts";

const wide: XmlLimits = {
  depth: 100,
  elements: 10_000,
  children: 1000,
  attributes: 100,
  attributeLength: 1000,
  textLength: 100_000,
  commentLength: 1000,
  nameLength: 100,
  namespaces: 100,
  allowProcessingInstructions: true,
};

const problemOf = (text: string | Uint8Array, limits: Partial<XmlLimits> = {}) =>
  findXmlProblem(Buffer.from(text), { ...wide, ...limits });

test.each([
  "<a/>",
  '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><a/>',
  '\ufeff<?xml version="1.0"?>\n<!-- c --><a x="1&lt;&#65;"><b xmlns:p="urn:p"><p:c/></b>&amp;&quot;&apos;&gt;<![CDATA[<!DOCTYPE x>]]></a>\n',
  '<?style x?><a xmlns="urn:a"/>',
  "<a>é😀</a>",
])("%j is XML", (text) => {
  expect(problemOf(text)).toBeUndefined();
});

test.each([
  "",
  " ",
  "text",
  "<a>",
  "</a>",
  "<a></b>",
  "<a/><b/>",
  "<a/>x",
  "<a b/>",
  "<a b=1/>",
  '<a b="1" b="2"/>',
  '<a b="<"/>',
  "<a>&nbsp;</a>",
  "<a>&x;</a>",
  "<a>& b</a>",
  "<a>&#0;</a>",
  "<a>&#xD800;</a>",
  "<a>\u0000</a>",
  "<a>\u0001</a>",
  "<a>]]></a>",
  "<a><!-- -- --></a>",
  "<p:a/>",
  '<a xmlns:p="urn:1" xmlns:q="urn:1" p:x="1" q:x="2"/>',
  "<1a/>",
  '<a/><?xml version="1.0"?>',
  ' <?xml version="1.0"?><a/>',
  "<a><![CDATA[x</a>",
  "<a>&constructor;</a>",
  "<a>&__proto__;</a>",
])("%j is no XML", (text) => {
  expect(problemOf(text)).toBe("malformed");
});

test.each([
  ["external entity", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'],
  ["external subset", '<!DOCTYPE a SYSTEM "http://example.com/a.dtd"><a/>'],
  ["public subset", '<!DOCTYPE a PUBLIC "-//x" "http://example.com/a.dtd"><a/>'],
  ["parameter entity", '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://example.com/x"> %x;]><a/>'],
  [
    "expanding entities",
    `<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "${"&b;".repeat(100)}">]><a>${"&c;".repeat(100)}</a>`,
  ],
  ["empty one", "<!DOCTYPE a><a/>"],
  ["one after a comment", "<!-- c --><!DOCTYPE a><a/>"],
])("a document type declaration is refused: %s", (_what, text) => {
  expect(problemOf(text)).toBe("doctype");
});

test.each(["<!DOCTYPE", "<!DOCTYPE a [", "<!doctype a><a/>", "<a><!DOCTYPE b></a>", "<a/><!DOCTYPE a>"])(
  "a document type declaration that is broken or in the wrong place is refused: %s",
  (text) => {
    expect(problemOf(text)).toBe("malformed");
  },
);

test.each([
  ['<?xml version="1.1"?><a/>', "version"],
  ['<?xml version="1.0" encoding="UTF-7"?><a/>', "encoding"],
  ['<?xml version="1.0" encoding="utf-16"?><a/>', "encoding"],
  ['<?xml version="1.0" encoding="ISO-8859-1"?><a/>', "encoding"],
])("%s is refused: %s", (text, problem) => {
  expect(problemOf(text)).toBe(problem);
});

test.each([
  ["UTF-16 with a mark", Buffer.from("\ufeff<a/>", "utf16le")],
  ["UTF-16 without", Buffer.from("<a/>", "utf16le")],
  ["an overlong sign", Buffer.from([0x3c, 0x61, 0x3e, 0xc0, 0xbc, 0x3c, 0x2f, 0x61, 0x3e])],
])("bytes that are no UTF-8 text are refused: %s", (_what, bytes) => {
  expect(problemOf(bytes)).toBe("malformed");
});

const edges: readonly (readonly [keyof XmlLimits, number, string, string])[] = [
  ["depth", 2, "<a><b/><b/></a>", "<a><b><c/></b></a>"],
  ["elements", 3, "<a><b/><c/></a>", "<a><b/><c/><d/></a>"],
  ["children", 2, "<a><b><x/><x/></b><c/></a>", "<a><b/><c/><d/></a>"],
  ["attributes", 2, '<a x="1" y="2"><b z="3"/></a>', '<a x="1" y="2" z="3"/>'],
  ["attributes", 1, '<a xmlns="urn:a"/>', '<a xmlns="urn:a" x="1"/>'],
  ["attributeLength", 3, '<a x="a&amp;b"/>', '<a x="abcd"/>'],
  ["textLength", 3, "<a>abc<b/>abc</a>", "<a>abcd</a>"],
  ["textLength", 3, "<a><![CDATA[abc]]></a>", "<a><![CDATA[abcd]]></a>"],
  ["commentLength", 3, "<a><!--abc--></a>", "<a><!--abcd--></a>"],
  ["nameLength", 3, '<abc xyz="1"/>', "<abcd/>"],
  ["nameLength", 3, "<abc/>", '<abc wxyz="1"/>'],
  [
    "namespaces",
    2,
    '<a xmlns="urn:a"><b xmlns:c="urn:c"/></a>',
    '<a xmlns="urn:a"><b xmlns:c="urn:c"/><b xmlns:c="urn:c"/></a>',
  ],
];

test.each(edges)("limit %s = %d: %j passes, %j does not", (limit, value, within, beyond) => {
  expect(problemOf(within, { [limit]: value })).toBeUndefined();
  expect(problemOf(beyond, { [limit]: value })).toBe(limit);
});

test("processing instructions are refused unless allowed", () => {
  expect(problemOf('<?xml-stylesheet href="x"?><a/>', { allowProcessingInstructions: false })).toBe(
    "processingInstruction",
  );
  expect(problemOf("<a><?php x ?></a>", { allowProcessingInstructions: false })).toBe("processingInstruction");
});

test("limits hold across the pieces in which the parser is fed", () => {
  const long = "x".repeat(20_000);
  expect(problemOf(`<a>${long}</a>`, { textLength: 20_000 })).toBeUndefined();
  expect(problemOf(`<a>${long}x</a>`, { textLength: 20_000 })).toBe("textLength");
  expect(problemOf(`<a>${"😀".repeat(20_000)}</a>`)).toBeUndefined();
});

test("a million open tags are refused at the limit", () => {
  expect(problemOf("<a>".repeat(1_000_000), { depth: 32 })).toBe("depth");
});

async function verdict(body: string, headers: Record<string, string>, configuration: unknown = {}) {
  const policy = await createPolicy(xmlThreatProtection, configuration);
  return verdictOf(await policy.onRequest(anExchange({ method: "POST", headers, body })));
}

test.each<[string, string, Record<string, string>, unknown, string]>([
  ["XML", "<a/>", { "content-type": "application/xml" }, {}, "pass"],
  ["XML with a suffix", "<a>", { "content-type": "application/soap+xml; charset=utf-8" }, {}, "400 xml_malformed"],
  ["no type", "<a>", {}, {}, "400 xml_malformed"],
  ["no body", "", { "content-type": "text/plain" }, {}, "pass"],
  ["a document type", "<!DOCTYPE a><a/>", { "content-type": "text/xml" }, {}, "400 xml_limit_exceeded"],
  ["another type", "{}", { "content-type": "application/json" }, {}, "415 content_not_inspectable"],
  ["another type that may pass", "{}", { "content-type": "application/json" }, { otherContent: "pass" }, "pass"],
  ["another character set", "<a/>", { "content-type": "text/xml; charset=utf-16" }, {}, "415 content_not_inspectable"],
  [
    "a compressed body",
    "<a/>",
    { "content-type": "text/xml", "content-encoding": "br" },
    {},
    "415 content_not_inspectable",
  ],
])("a request with %s", async (_what, body, headers, configuration, expected) => {
  expect(await verdict(body, headers, configuration)).toBe(expected);
});

test.each([
  [{ depth: -1 }, "depth"],
  [{ namespaces: "many" }, "namespaces"],
  [{ maximumBytes: 5_000_000 }, "maximumBytes"],
  [{ dtd: true }, ""],
])("the schema refuses %j and names the field", (configuration, field) => {
  const problems = problemsOf(xmlThreatProtection, configuration);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(new RegExp(`^${field}: `));
});
