import { expect, test } from "vitest";
import { createMaskRules } from "./mask-rules.ts";

function formTelling(name: string, reveal: readonly string[], redact: readonly string[]) {
  return createMaskRules(reveal, redact).form({ name, isNameless: false });
}

test.each([
  ["query.email", "query.Email", "Email"],
  ["query.E-Mail", "query.email", "email"],
  ["query.user", "query.user[email]", "user[email]"],
  ["query.user.email", "query.user[email]", "user[email]"],
  ["email", "query.user[email]", "user[email]"],
  ["email", "query.user.Email", "user.Email"],
  ["email", "query.email[]", "email[]"],
  ["email", "query.user［email］", "user［email］"],
  ["user_email", "query.user[email]", "user[email]"],
])("%s redacts what %s would reveal in a query, however its name is written", (redact, reveal, name) => {
  expect(createMaskRules([reveal], []).query(name)).toBe("revealed");
  expect(createMaskRules([reveal], [redact]).query(name)).toBe("redacted");
});

test("names of headers are withheld whatever their separators", () => {
  const rules = createMaskRules(["header.x_tenant", "header.x-kind"], ["header.X-Tenant"]);
  expect([rules.header("X_Tenant"), rules.header("X-Kind")]).toEqual(["redacted", "revealed"]);
});

test.each([
  ["$.user", "user[email]"],
  ["$.user.email", "user[email]"],
  ["$.User.e_mail", "user.email[work]"],
  ["$.user_email", "user[email]"],
  ["$.users[*].email", "users[][email]"],
  ["$.users[*].email", "users[0][email]"],
  ["$.users.email", "users.0.email"],
  ["$.users[*]", "users"],
  ["$.*.email", "user[email]"],
  ["$.users.*.email", "users[a][email]"],
  ["$.users.*.email", "users[][email]"],
  ["email", "user[email]"],
  ["$", "user"],
  ["$.user", `user${"[a]".repeat(100)}`],
])("%s redacts the field %s of a form", (redact, name) => {
  const reveal = [`$["${name}"]`, "$.*"];
  expect(formTelling(name, reveal, [])).toBe("revealed");
  expect(formTelling(name, reveal, [redact])).toBe("redacted");
});

test.each([
  ["$.user.email", "user[name]"],
  ["$.email", "user[email]"],
  ["$.use", "user"],
  ["email", "emails"],
  ["query.user", "user"],
])("%s leaves the field %s of a form alone", (redact, name) => {
  expect(formTelling(name, ["$.*"], [redact])).toBe("revealed");
});

test("a bare name redacts members of JSON whose name has dots or brackets", () => {
  const body = createMaskRules(["$.*"], ["email"]).body();
  expect(body.member("user.email").isRedacted).toBe(true);
  expect(body.member("user[email]").isRedacted).toBe(true);
});

test("a rule for nested arrays takes work by their depth, not by its power", () => {
  let point = createMaskRules([], [`$${"[*]".repeat(32)}`]).body();
  for (let depth = 0; depth < 31; depth += 1) point = point.element();
  expect(point.isRedacted).toBe(false);
  expect(point.element().isRedacted).toBe(true);
});
