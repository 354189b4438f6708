import { expect, test } from "vitest";
import { checkPolicy } from "./check-policy.ts";

const candidate = (type: string, configuration: unknown) => ({
  type,
  configuration,
  conditions: [],
  assets: new Map(),
});

test("a policy is tried as it would be stored: with hashes in the place of passwords", async () => {
  const users = [{ username: "ann", password: "correct horse" }];
  const { problems, prepared } = await checkPolicy(candidate("basic-authentication", { users }));
  expect(problems).toStrictEqual([]);
  expect(prepared).toMatchObject({ users: [{ username: "ann", passwordHash: expect.stringMatching(/^\$scrypt\$/) }] });
  expect(JSON.stringify(prepared)).not.toContain("correct horse");
});

test.each([
  ["basic-authentication", { users: [{ username: "ann" }] }, "configuration.users[0].password"],
  ["jwt-validation", { issuers: ["me"] }, "configuration.keys"],
  ["retry", { attempts: 1 }, "configuration.attempts"],
])("a configuration that fails names the field and is not stored: %s %j", async (type, configuration, field) => {
  const { problems, prepared } = await checkPolicy(candidate(type, configuration));
  expect(problems.map((problem) => problem.field)).toContain(field);
  expect(prepared).toBeUndefined();
});

test("a module of a custom policy is looked at but not run, and must be among the assets", async () => {
  const configuration = { module: "0".repeat(64), signature: "a..b" };
  const { problems } = await checkPolicy(candidate("custom", configuration));
  expect(problems).toStrictEqual([{ field: "configuration.module", message: "is not among the assets of the policy" }]);
});
