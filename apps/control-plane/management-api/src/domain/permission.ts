import { covers, everyEnvironment, holdsEverywhere, type Role, roleIn, type RoleBinding } from "./role.ts";

/** What a route asks of its caller. Every route declares one; there is no default. */
export type Permission =
  /** Nobody needs to log in. */
  | { readonly scope: "public" }
  /** Any user, about himself or about nothing secret. */
  | { readonly scope: "user" }
  /** The role in at least one environment; the route then filters what it shows. */
  | { readonly scope: "any-environment"; readonly role: Role }
  /** The role in the environment that the path names. */
  | { readonly scope: "environment"; readonly role: Role }
  /** The role in every environment, for what belongs to no environment: fabrics, users, tokens, the audit log. */
  | { readonly scope: "organisation"; readonly role: Role };

/**
 * Decide whether a caller may use a route. `environment` is the one in the path; a route of scope "environment" without
 * one is refused. Nothing is asked of the store: an unknown environment is refused like a known one without a binding,
 * so that the answer tells nobody which environments exist.
 */
export function isPermitted(
  permission: Permission,
  bindings: readonly RoleBinding[],
  environment: string | undefined,
): boolean {
  switch (permission.scope) {
    case "public":
    case "user":
      return true;
    case "any-environment":
      return bindings.some((binding) => covers(binding.role, permission.role));
    case "environment":
      return (
        environment !== undefined &&
        environment !== everyEnvironment &&
        covers(roleIn(bindings, environment), permission.role)
      );
    case "organisation":
      return holdsEverywhere(bindings, permission.role);
  }
}

/** For messages: "operator in the environment production". */
export function describePermission(permission: Permission, environment: string | undefined): string {
  switch (permission.scope) {
    case "public":
      return "nothing";
    case "user":
      return "a login";
    case "any-environment":
      return `the role ${permission.role} in at least one environment`;
    case "environment":
      return `the role ${permission.role} in the environment ${environment ?? "named in the path"}`;
    case "organisation":
      return `the role ${permission.role} in every environment ("*")`;
  }
}
