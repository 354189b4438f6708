import { expect, test } from "vitest";
import { parse } from "yaml";
import { ruleFileSchema } from "./rule-file.ts";

const receivers = `
receivers:
  - { name: on-call, webhook: { url: "https://hooks.example/alerts", secretFile: /etc/secret } }
  - { name: team, email: { to: [team@example.com] } }
`;
const fileOf = (rules: string, some: string = receivers): unknown => parse(`${some}\nrules:\n${rules}`);
const rule = (rest: string): string => `  - { name: r, environment: production, receivers: [on-call], ${rest} }`;

test("a rule has a window and no delay unless it says so", () => {
  const read = ruleFileSchema.parse(fileOf(rule("analytics: { figure: error-rate, by: api }, above: 0.05")));
  expect(read.rules).toMatchObject([{ windowSeconds: 300, forSeconds: 0, above: 0.05, summary: "" }]);
});

test.each([
  [rule("above: 1"), "must have either analytics or metric"],
  [
    rule("metric: { figure: errors }, analytics: { figure: requests }, above: 1"),
    "must have either analytics or metric",
  ],
  [rule("metric: { figure: errors }"), "must have either above or below"],
  [rule("metric: { figure: errors }, above: 1, below: 0"), "must have either above or below"],
  [rule("metric: { figure: errors }, above: 1, when: now"), "Unrecognized key"],
  [rule("metric: { figure: weight }, above: 1"), "must be one of"],
  [rule("metric: { figure: errors }, above: 1, windowSeconds: 5"), "must be at least 60"],
  [rule("metric: { figure: errors }, above: 1").replace("on-call", "nobody"), "there is no receiver nobody"],
  [[1, 2].map(() => rule("metric: { figure: errors }, above: 1")).join("\n"), "is there twice"],
])("%s is refused: %s", (rules, reason) => {
  const read = ruleFileSchema.safeParse(fileOf(rules));
  expect(JSON.stringify(read.error?.issues)).toContain(reason);
});

test.each([
  ["https://169.254.169.254/latest/", "link-local or metadata"],
  ["http://hooks.example/", "https://"],
  ["http://127.0.0.1:9000/", "allowLoopbackHttp"],
  ["https://user:password@hooks.example/", "credentials"],
  ["file:///etc/passwd", "https://"],
])("a webhook at %s is refused", (url, reason) => {
  const hook = `receivers:\n  - { name: on-call, webhook: { url: "${url}", secretFile: /etc/secret } }`;
  const read = ruleFileSchema.safeParse(fileOf(rule("metric: { figure: errors }, above: 1"), hook));
  expect(JSON.stringify(read.error?.issues)).toContain(reason);
});
