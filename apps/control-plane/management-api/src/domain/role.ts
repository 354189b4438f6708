/** Roles, weakest first: each may do what the ones before it may. */
export const roles = ["viewer", "operator", "administrator"] as const;
export type Role = (typeof roles)[number];

/** Stands for every environment, also those made later. */
export const everyEnvironment = "*";

export interface RoleBinding {
  readonly role: Role;
  /** Name of an environment, or "*". */
  readonly environment: string;
}

/** The strongest role that the bindings give in an environment; undefined for none. */
export function roleIn(bindings: readonly RoleBinding[], environment: string): Role | undefined {
  const ranks = bindings
    .filter((binding) => binding.environment === environment || binding.environment === everyEnvironment)
    .map((binding) => roles.indexOf(binding.role));
  return ranks.length === 0 ? undefined : roles[Math.max(...ranks)];
}

/** Whether `role` may do what `required` may. */
export function covers(role: Role | undefined, required: Role): boolean {
  return role !== undefined && roles.indexOf(role) >= roles.indexOf(required);
}

/** Whether the bindings hold `required` in every environment. */
export function holdsEverywhere(bindings: readonly RoleBinding[], required: Role): boolean {
  return covers(roleIn(bindings, everyEnvironment), required);
}

/** The environments of `known` in which the bindings give at least `required`. */
export function environmentsWith(
  bindings: readonly RoleBinding[],
  required: Role,
  known: readonly string[],
): readonly string[] {
  return known.filter((environment) => covers(roleIn(bindings, environment), required));
}
