import { scryptSync } from "node:crypto";
import { expect, test } from "vitest";
import { anExchange, createPolicy, createTestServices, problemsOf, verdictOf } from "../../testing/harness.ts";
import { prepareConfiguration } from "../../prepare-configuration.ts";
import { createWorkQueue, type WorkQueue } from "../../work-queue.ts";
import { basicAuthentication } from "./basic-authentication.ts";
import { readBasicCredentials } from "./basic-credentials.ts";

const type = "basic-authentication";
/** Made by another tool's hand: the same scheme at the least cost that we accept. */
function storedHash(password: string): string {
  const salt = Buffer.alloc(16, 7);
  const text = (bytes: Buffer) => bytes.toString("base64").replaceAll("=", "");
  return `$scrypt$ln=14,r=8,p=1$${text(salt)}$${text(scryptSync(password, salt, 32, { N: 2 ** 14, r: 8, p: 1 }))}`;
}

const configuration = { users: [{ username: "ann", passwordHash: storedHash("correct horse") }] };

const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
const request = (authorization?: string | string[]) =>
  anExchange({ headers: authorization === undefined ? {} : { authorization } });

test("the right password passes, another and another user's do not", async () => {
  const policy = await createPolicy(basicAuthentication, configuration);
  const right = request(basic("ann:correct horse"));
  expect(verdictOf(await policy.onRequest(right))).toBe("pass");
  expect(right.principal).toStrictEqual({ sub: "ann" });
  expect(right.header("authorization")).toBeUndefined();
  for (const wrong of [
    "ann:correct horsf",
    "ann:",
    "Ann:correct horse",
    "bob:correct horse",
    "constructor:x",
    "__proto__:x",
  ]) {
    const exchange = request(basic(wrong));
    expect(verdictOf(await policy.onRequest(exchange))).toBe("401 password_wrong");
    expect(exchange.principal).toBeUndefined();
  }
});

test("the refusal names the scheme, and says the same of unknown users and wrong passwords", async () => {
  const policy = await createPolicy(basicAuthentication, configuration);
  const missing = await policy.onRequest(request());
  expect(verdictOf(missing)).toBe("401 password_required");
  expect(missing?.headers).toContain('Basic realm="API", charset="UTF-8"');
  const unknown = await policy.onRequest(request(basic("bob:correct horse")));
  expect(await policy.onRequest(request(basic("ann:x")))).toStrictEqual(unknown);
});

test("an unknown user costs a password check like a known one", async () => {
  let checks = 0;
  const queue = createWorkQueue({ concurrent: 1, waiting: 4 });
  const passwordChecks: WorkQueue = {
    run(task) {
      checks += 1;
      return queue.run(task);
    },
  };
  const policy = await createPolicy(basicAuthentication, configuration, {
    services: createTestServices({ passwordChecks }),
  });
  expect(policy.onRequest(request(basic("ann:wrong")))).toBeInstanceOf(Promise);
  expect(policy.onRequest(request(basic("bob:wrong")))).toBeInstanceOf(Promise);
  expect(checks).toBe(2);
});

test("credentials that were right are known without another check, for five minutes", async () => {
  const services = createTestServices();
  const policy = await createPolicy(basicAuthentication, configuration, { services });
  const send = () => policy.onRequest(request(basic("ann:correct horse")));
  expect(send()).toBeInstanceOf(Promise);
  expect(verdictOf(await send())).toBe("pass");
  services.clock.advance(299_999);
  expect(send()).toBeUndefined();
  services.clock.advance(1);
  expect(send()).toBeInstanceOf(Promise);
});

test("more checks than may wait are answered 503, and those before them are still made", async () => {
  const services = createTestServices({ passwordChecks: createWorkQueue({ concurrent: 1, waiting: 0 }) });
  const policy = await createPolicy(basicAuthentication, configuration, { services });
  const first = policy.onRequest(request(basic("ann:correct horse")));
  expect(verdictOf(await policy.onRequest(request(basic("bob:x"))))).toBe("503 password_check_busy");
  expect(verdictOf(await first)).toBe("pass");
});

test.each([
  [undefined, undefined],
  ["", undefined],
  ["Bearer x", undefined],
  ["Basically x", undefined],
  ["Basic", "malformed"],
  ["Basic ", "malformed"],
  ["Basic YQ", "malformed"],
  ["Basic YTpi Yg==", "malformed"],
  ["Basic YTpi, Basic YTpi", "malformed"],
  ["Basic Y-_=", "malformed"],
  [basic("nocolon"), "malformed"],
  [basic(":nouser"), "malformed"],
  [basic("a:b\n"), "malformed"],
  [basic("a\u0000:b"), "malformed"],
  [`Basic ${Buffer.from([0x61, 0x3a, 0xff]).toString("base64")}`, "malformed"],
  [`Basic ${"YTpi".repeat(600)}`, "malformed"],
  [basic("a:b:c"), { username: "a", password: "b:c" }],
  [basic("a:"), { username: "a", password: "" }],
  [basic("a:b").replace("Basic", "bAsIc  "), { username: "a", password: "b" }],
  [basic("e\u0301:x"), { username: "\u00e9", password: "x" }],
])("Authorization %j is read as %j", (value, credentials) => {
  expect(readBasicCredentials(value)).toStrictEqual(credentials);
});

test("two Authorization fields are refused", async () => {
  const policy = await createPolicy(basicAuthentication, configuration);
  const twice = request([basic("ann:correct horse"), basic("ann:correct horse")]);
  expect(verdictOf(await policy.onRequest(twice))).toBe("401 password_wrong");
});

test("a password is stored as a hash that is right for it, and preparing that again changes nothing", async () => {
  const stored = await prepareConfiguration(type, { users: [{ username: "bob", password: "battery staple" }] });
  expect(JSON.stringify(stored)).not.toContain("battery staple");
  expect(await prepareConfiguration(type, stored)).toStrictEqual(stored);
  const policy = await createPolicy(basicAuthentication, stored);
  expect(verdictOf(await policy.onRequest(request(basic("bob:battery staple"))))).toBe("pass");
});

test("a configuration whose passwords were not replaced cannot be enforced", async () => {
  const raw = { users: [{ username: "ann", password: "correct horse" }] };
  await expect(createPolicy(basicAuthentication, raw)).rejects.toThrow("has not been replaced by its hash");
});

const hash = "$scrypt$ln=14,r=8,p=5$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

test.each([
  [{ users: [] }, "users"],
  [
    { users: Array.from({ length: 21 }, (_, index) => ({ username: `u${index}`, password: "long enough" })) },
    "users: must not have more than 20 new passwords",
  ],
  [{ users: [{ username: "a" }] }, "users.0.password: must be given"],
  [{ users: [{ username: "a", password: "long enough", passwordHash: hash }] }, "users.0.password: must be given"],
  [{ users: [{ username: "a", password: "short" }] }, "users.0.password"],
  [{ users: [{ username: "a:b", passwordHash: hash }] }, "users.0.username: must not contain a colon"],
  [{ users: [{ username: "a\n", passwordHash: hash }] }, "users.0.username: must not contain control"],
  [{ users: [{ username: "a", passwordHash: "secret" }] }, "users.0.passwordHash: must be a scrypt hash"],
  [
    { users: [{ username: "a", passwordHash: hash.replace("14", "20") }] },
    "users.0.passwordHash: must be a scrypt hash",
  ],
  [
    {
      users: [
        { username: "a", passwordHash: hash },
        { username: "a", passwordHash: hash },
      ],
    },
    "users.1.username: is there twice",
  ],
  [{ users: [{ username: "a", passwordHash: hash }], realm: 'x"y' }, "realm: must be ASCII"],
])("the schema refuses %j and names the field", (bad, problem) => {
  const problems = problemsOf(basicAuthentication, bad);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});
