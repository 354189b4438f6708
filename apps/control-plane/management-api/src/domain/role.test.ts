import { describe, expect, test } from "vitest";
import { isPermitted, type Permission } from "./permission.ts";
import { environmentsWith, type Role, roleIn, roles, type RoleBinding } from "./role.ts";

const bound = (role: Role, environment: string): readonly RoleBinding[] => [{ role, environment }];

describe("the role in an environment", () => {
  test("is the strongest of the environment's own and the one for every environment", () => {
    const bindings = [...bound("viewer", "*"), ...bound("operator", "production")];
    expect(roleIn(bindings, "production")).toBe("operator");
    expect(roleIn(bindings, "sandbox")).toBe("viewer");
  });

  test("is none where nothing is bound", () => {
    expect(roleIn(bound("administrator", "sandbox"), "production")).toBeUndefined();
  });

  test("filters the environments that a caller sees", () => {
    const bindings = [...bound("viewer", "sandbox"), ...bound("operator", "production")];
    expect(environmentsWith(bindings, "operator", ["production", "sandbox", "staging"])).toEqual(["production"]);
    expect(environmentsWith(bindings, "viewer", ["production", "sandbox", "staging"])).toEqual([
      "production",
      "sandbox",
    ]);
  });
});

describe("a permission", () => {
  const inEnvironment = (role: Role): Permission => ({ scope: "environment", role });

  test.each(roles.flatMap((held) => roles.map((required) => ({ held, required }))))(
    "$required in an environment is met by $held only if the role is as strong",
    ({ held, required }) => {
      const allowed = roles.indexOf(held) >= roles.indexOf(required);
      expect(isPermitted(inEnvironment(required), bound(held, "production"), "production")).toBe(allowed);
      expect(isPermitted(inEnvironment(required), bound(held, "*"), "production")).toBe(allowed);
      expect(isPermitted(inEnvironment(required), bound(held, "sandbox"), "production")).toBe(false);
      expect(isPermitted({ scope: "organisation", role: required }, bound(held, "*"), undefined)).toBe(allowed);
      expect(isPermitted({ scope: "organisation", role: required }, bound(held, "production"), undefined)).toBe(false);
      expect(isPermitted({ scope: "any-environment", role: required }, bound(held, "sandbox"), undefined)).toBe(
        allowed,
      );
    },
  );

  test("in an environment is refused when the path names none or all of them", () => {
    expect(isPermitted(inEnvironment("viewer"), bound("administrator", "*"), undefined)).toBe(false);
    expect(isPermitted(inEnvironment("viewer"), bound("administrator", "*"), "*")).toBe(false);
  });

  test("is refused to a user without any binding, except about himself", () => {
    const all: readonly Permission[] = [
      inEnvironment("viewer"),
      { scope: "organisation", role: "viewer" },
      { scope: "any-environment", role: "viewer" },
    ];
    for (const permission of all) expect(isPermitted(permission, [], "production")).toBe(false);
    expect(isPermitted({ scope: "user" }, [], undefined)).toBe(true);
  });
});
