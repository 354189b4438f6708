import fc from "fast-check";
import { expect, test } from "vitest";
import type { ResourceCondition } from "@drawbridge/contracts/apis/v1/configuration";
import { PolicyConfigurationError } from "../policy-configuration-error.ts";
import { compileCondition } from "./condition.ts";

const template = (value: string, methods = "*"): ResourceCondition => ({
  methods,
  path: { $case: "uriTemplate", value },
});
const expression = (value: string, methods = "*"): ResourceCondition => ({
  methods,
  path: { $case: "regularExpression", value },
});
const matches = (condition: ResourceCondition, method: string, path: string): boolean =>
  compileCondition(condition, "conditions[0]").matches(method, path);

test.each([
  ["/orders", "/orders", true],
  ["/orders", "/orders/", true],
  ["/orders/", "/orders", true],
  ["/orders", "/orders//", false],
  ["/orders", "/ORDERS", true],
  ["/Orders/{ID}", "/orders/a", true],
  ["/", "//", false],
  ["/orders/{id}", "/orders/1", true],
  ["/orders/{id}", "/orders/", false],
  ["/orders/{id}", "/orders", false],
  ["/orders/{id}", "/orders/1/", true],
  ["/orders/{id}", "/orders/1/lines", false],
  ["/orders/{id}/lines/{line}", "/orders/1/lines/2", true],
  ["/files/{name}.{extension}", "/files/a.b.txt", true],
  ["/files/{name}.json", "/files/.json", false],
  ["/a.b", "/axb", false],
  ["/a+(b)", "/a+(b)", true],
  ["/%7euser/%2f", "/~user/%2F", true],
  ["/", "/", true],
])("the URI template %s on %s: %s (GK 8)", (value, path, expected) => {
  expect(matches(template(value), "GET", path)).toBe(expected);
});

test.each([
  ["/orders/[0-9]+", "/orders/12", true],
  ["/orders/[0-9]+", "/orders/12/lines", false],
  ["/orders/[0-9]+", "/v1/orders/12", false],
  ["/orders|/orders/.*", "/orders/1", true],
  ["(?i)/orders", "/ORDERS", true],
  ["^/orders$", "/orders", true],
])("the regular expression %s matches whole paths: %s: %s (GK 8)", (value, path, expected) => {
  expect(matches(expression(value), "GET", path)).toBe(expected);
});

test.each([
  [template("/Orders({id})"), "/Orders%281%29"],
  [template("/Orders%28{id}%29"), "/Orders(1)"],
  [template("/a@b:c"), "/a%40b%3Ac"],
  [expression("/Orders\\([0-9]+\\)"), "/Orders%2812%29"],
  [expression("/admin!"), "/admin%21"],
  [expression("/a\\{b\\|c"), "/a%7Bb%7cc"],
  [expression("/a%20b"), "/a%20b"],
  [template("/caf%c3%a9"), "/caf%C3%A9"],
])("%j is not evaded by escaping what needs no escape: %s", (condition, path) => {
  expect(matches(condition, "GET", path)).toBe(true);
});

test("escapes of separators and of the percent sign stay escapes", () => {
  expect(matches(template("/a/b"), "GET", "/a%2Fb")).toBe(false);
  expect(matches(template("/{name}"), "GET", "/a%2Fb")).toBe(true);
  expect(matches(template("/a%2528"), "GET", "/a%2528")).toBe(true);
  expect(matches(template("/a("), "GET", "/a%2528")).toBe(false);
});

test.each([
  ["*", "GET", true],
  ["*", "PURGE", true],
  ["GET", "GET", true],
  ["GET", "HEAD", true],
  ["HEAD", "GET", false],
  ["POST", "HEAD", false],
  ["GET|POST", "POST", true],
  ["GET|POST", "PUT", false],
  ["GET", "get", false],
])("the method expression %s on %s: %s", (methods, method, expected) => {
  expect(matches(template("/a", methods), method, "/a")).toBe(expected);
});

test.each([
  [template("orders"), "conditions[0].uriTemplate", "must begin"],
  [template("/a//b"), "conditions[0].uriTemplate", "empty segment"],
  [template("/a/../b"), "conditions[0].uriTemplate", "empty segment"],
  [template("/a/."), "conditions[0].uriTemplate", "empty segment"],
  [template("/orders/{id"), "conditions[0].uriTemplate", 'without "}"'],
  [template("/orders/{id*}"), "conditions[0].uriTemplate", "level 1"],
  [template("/orders/{+id}"), "conditions[0].uriTemplate", "level 1"],
  [template("/orders/{}"), "conditions[0].uriTemplate", "level 1"],
  [template("/{a}{b}"), "conditions[0].uriTemplate", "follows another variable"],
  [template("/a?b=c"), "conditions[0].uriTemplate", "no path has"],
  [template("/a}b"), "conditions[0].uriTemplate", "no path has"],
  [template("/100%"), "conditions[0].uriTemplate", "no path has"],
  [template(`/${"a".repeat(1_024)}`), "conditions[0].uriTemplate", "1024"],
  [expression(""), "conditions[0].regularExpression", "empty"],
  [expression("(a"), "conditions[0].regularExpression", "missing closing"],
  [expression("(a)\\1"), "conditions[0].regularExpression", "invalid escape"],
  [expression("(?=a)b"), "conditions[0].regularExpression", "(?="],
  [expression("(?<=a)b"), "conditions[0].regularExpression", "(?<="],
  [expression("a".repeat(1_025)), "conditions[0].regularExpression", "1024"],
  [expression("([a-z]{30}){30}"), "conditions[0].regularExpression", "too large"],
  [template("/a", "get"), "conditions[0].methods", "no method"],
  [template("/a", ""), "conditions[0].methods", "no method"],
  [template("/a", "GET|"), "conditions[0].methods", "no method"],
  [template("/a", "GET|*"), "conditions[0].methods", "no method"],
  [{ methods: "*", path: undefined }, "conditions[0]", "names no path"],
])("refuses %j, naming the field and why", (condition, field, reason) => {
  expect(() => compileCondition(condition, "conditions[0]")).toThrow(PolicyConfigurationError);
  try {
    compileCondition(condition, "conditions[0]");
  } catch (error) {
    expect(error).toMatchObject({ field, message: expect.stringContaining(reason) });
  }
});

test("a path longer than 8 KB, which no gateway lets in, is looked at by no expression and matches", () => {
  expect(matches(expression("/.*"), "GET", `/${"a".repeat(8_191)}`)).toBe(true);
  expect(matches(expression("/b"), "GET", `/${"a".repeat(8_192)}`)).toBe(true);
});

test.each(["(a+)+b", "(a|a)*b", "([a-z]+)*x", "(.*)(.*)(.*)(.*)y", "(/[a-z]*)*/z"])(
  "%s, which backtracks for ever elsewhere, judges the longest path at once",
  (value) => {
    const compiled = compileCondition(expression(value), "conditions[0]");
    const before = process.cpuUsage();
    compiled.matches("GET", "a".repeat(8_192));
    const { user, system } = process.cpuUsage(before);
    // A backtracking engine needs longer than the universe; a generous bound keeps a busy machine from failing this.
    expect(user + system).toBeLessThan(2_000_000);
  },
);

test("expressions that both engines know mean the same as in JavaScript, whole path", () => {
  const atom = fc.constantFrom("a", "b", "/", "[ab]", "[^/]", ".", "\\d", "(?:a|ab)", "(b|/)");
  const piece = fc.tuple(atom, fc.constantFrom("", "*", "+", "?", "{1,2}")).map(([one, times]) => one + times);
  const source = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(""));
  const path = fc.string({ unit: fc.constantFrom("a", "b", "/", "1"), maxLength: 8 });
  fc.assert(
    fc.property(source, path, (regularExpression, candidate) => {
      const expected = new RegExp(`^(?:${regularExpression})$`).test(candidate);
      expect(matches(expression(regularExpression), "GET", candidate)).toBe(expected);
    }),
    { numRuns: 2_000 },
  );
});
