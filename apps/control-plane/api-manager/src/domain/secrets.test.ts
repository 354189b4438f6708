import { expect, test } from "vitest";
import { z } from "zod";
import { redact, restoreSecrets, type Schema } from "./secrets.ts";

const secret = z.string().meta({ secret: true });
const schema: Schema = z.toJSONSchema(
  z.strictObject({
    url: z.string(),
    clientSecret: secret,
    users: z.array(z.strictObject({ name: z.string(), password: secret })).optional(),
    headers: z.record(z.string(), secret).optional(),
    login: z.union([z.strictObject({ token: secret }), z.strictObject({ anonymous: z.boolean() })]).optional(),
  }),
  { io: "input" },
);

const stored = {
  url: "https://a",
  clientSecret: "s1",
  users: [
    { name: "a", password: "pa" },
    { name: "b", password: "pb" },
  ],
  headers: { "x-key": "k" },
  login: { token: "t" },
};

test("no secret is in an answer, wherever the schema has it", () => {
  expect(redact(stored, schema)).toEqual({
    url: "https://a",
    clientSecret: "(set)",
    users: [
      { name: "a", password: "(set)" },
      { name: "b", password: "(set)" },
    ],
    headers: { "x-key": "(set)" },
    login: { token: "(set)" },
  });
});

test("what was shown can be saved again, and nothing is lost", () => {
  expect(restoreSecrets(redact(stored, schema), stored, schema)).toEqual({
    outcome: "restored",
    configuration: stored,
  });
});

test("entries that change places keep their own secrets", () => {
  const shown = redact({ ...stored, users: stored.users.toReversed() }, schema);
  expect(restoreSecrets(shown, stored, schema)).toMatchObject({
    configuration: {
      users: [
        { name: "b", password: "pb" },
        { name: "a", password: "pa" },
      ],
    },
  });
});

test("a new secret replaces the old one", () => {
  expect(restoreSecrets({ ...stored, clientSecret: "s2" }, stored, schema)).toMatchObject({
    configuration: { clientSecret: "s2" },
  });
});

test.each([
  [{ url: "u", clientSecret: "(set)" }, {}, "configuration.clientSecret"],
  [{ ...stored, users: [{ name: "c", password: "(set)" }] }, stored, "configuration.users[0].password"],
  [{ ...stored, headers: { other: "(set)" } }, stored, "configuration.headers.other"],
])("a secret that was never set cannot stay: %o", (configuration, before, field) => {
  expect(restoreSecrets(configuration, before, schema)).toMatchObject({ outcome: "invalid", problems: [{ field }] });
});
