import { DrawbridgeError } from "@drawbridge/errors";
import type { Store } from "@drawbridge/store";
import type { Database } from "./database.ts";

export interface Environment {
  readonly name: string;
  readonly description: string;
  readonly createdAt: Date;
  readonly createdBy: string;
}

export interface EnvironmentRepository {
  /** @throws DrawbridgeError `ENVIRONMENT_EXISTS` (already_exists) */
  create(environment: Environment): Promise<void>;
  /** All, by name. */
  list(): Promise<readonly Environment[]>;
  /** @throws DrawbridgeError `ENVIRONMENT_NOT_FOUND` (not_found) that names the first one unknown */
  assertExist(names: readonly string[]): Promise<void>;
}

/** Bounds the list: environments are stages of a company's software, not tenants. */
const maxEnvironments = 500;

export function createEnvironmentRepository(store: Pick<Store<Database>, "db">): EnvironmentRepository {
  async function list(): Promise<readonly Environment[]> {
    const rows = await store.db.selectFrom("environment").selectAll().orderBy("name").limit(maxEnvironments).execute();
    return rows.map((row) => ({
      name: row.name,
      description: row.description,
      createdAt: row.created_at,
      createdBy: row.created_by,
    }));
  }

  return {
    list,

    async create(environment) {
      if ((await list()).length >= maxEnvironments) {
        throw new DrawbridgeError({
          kind: "failed_precondition",
          code: "TOO_MANY_ENVIRONMENTS",
          message: `there are already ${maxEnvironments} environments, which is the limit`,
        });
      }
      const inserted = await store.db
        .insertInto("environment")
        .values({
          name: environment.name,
          description: environment.description,
          created_at: environment.createdAt,
          created_by: environment.createdBy,
        })
        .onConflict((conflict) => conflict.column("name").doNothing())
        .returning("name")
        .executeTakeFirst();
      if (inserted) return;
      throw new DrawbridgeError({
        kind: "already_exists",
        code: "ENVIRONMENT_EXISTS",
        message: `there is already an environment "${environment.name}"`,
        details: { environment: environment.name },
      });
    },

    async assertExist(names) {
      if (names.length === 0) return;
      const rows = await store.db
        .selectFrom("environment")
        .select("name")
        .where("name", "in", [...names])
        .execute();
      const known = new Set(rows.map((row) => row.name));
      const unknown = names.find((name) => !known.has(name));
      if (unknown === undefined) return;
      throw new DrawbridgeError({
        kind: "not_found",
        code: "ENVIRONMENT_NOT_FOUND",
        message: `there is no environment "${unknown}"; GET /v1/environments lists them, an administrator can create one`,
        details: { environment: unknown },
      });
    },
  };
}
