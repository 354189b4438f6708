import { describe, expect, test } from "vitest";
import { createPasswordHasher } from "./password-hash.ts";

const cheap = { logN: 10, r: 8, p: 1 };

describe("a password hash", () => {
  test("matches its password only, with a salt of its own", async () => {
    const hasher = createPasswordHasher({ cost: cheap });
    const stored = await hasher.hash("correct horse battery");
    expect(await hasher.verify("correct horse battery", stored)).toBe("match");
    expect(await hasher.verify("correct horse batterz", stored)).toBe("mismatch");
    expect(await hasher.hash("correct horse battery")).not.toBe(stored);
    expect(stored).not.toContain("correct");
  });

  test("made at another cost still matches, and is to be made anew", async () => {
    const stored = await createPasswordHasher({ cost: cheap }).hash("correct horse battery");
    const stronger = createPasswordHasher({ cost: { ...cheap, p: 2 } });
    expect(await stronger.verify("correct horse battery", stored)).toBe("stale");
  });

  test("of an unknown user never matches", async () => {
    expect(await createPasswordHasher({ cost: cheap }).verify("anything", undefined)).toBe("mismatch");
  });

  test("takes the same characters written in two ways for the same password", async () => {
    const hasher = createPasswordHasher({ cost: cheap });
    expect(await hasher.verify("cafe\u0301 au lait", await hasher.hash("caf\u00e9 au lait"))).toBe("match");
  });

  test("is refused when too many are waiting", async () => {
    const hasher = createPasswordHasher({ cost: cheap, maxConcurrent: 1, maxWaiting: 1 });
    const running = [hasher.hash("first"), hasher.hash("second")];
    await expect(hasher.hash("third")).rejects.toMatchObject({ code: "LOGIN_OVERLOADED", kind: "resource_exhausted" });
    await Promise.all(running);
    await expect(hasher.hash("fourth")).resolves.toMatch(/^scrypt\$/);
  });
});
