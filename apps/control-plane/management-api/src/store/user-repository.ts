import { DrawbridgeError } from "@drawbridge/errors";
import type { Store } from "@drawbridge/store";
import { sql, type Transaction } from "kysely";
import { everyEnvironment, type RoleBinding } from "../domain/role.ts";
import type { Database } from "./database.ts";

export interface User {
  readonly userId: string;
  readonly username: string;
  readonly bindings: readonly RoleBinding[];
  readonly createdAt: Date;
  readonly createdBy: string;
}

export interface NewUser {
  readonly userId: string;
  readonly username: string;
  readonly passwordHash: string;
  readonly bindings: readonly RoleBinding[];
  readonly createdAt: Date;
  readonly createdBy: string;
}

/** Users and what they may do. There is always at least one administrator of everything once there is a user at all. */
export interface UserRepository {
  /** @throws DrawbridgeError `USER_EXISTS` (already_exists) */
  create(user: NewUser): Promise<User>;
  /** Create the first user; "present" when there is any user, also when two replicas start at once. */
  createFirst(user: NewUser): Promise<"created" | "present">;
  isEmpty(): Promise<boolean>;
  /** By name, from above `afterUsername`. */
  list(options: { readonly limit: number; readonly afterUsername: string | undefined }): Promise<readonly User[]>;
  find(username: string): Promise<User | undefined>;
  findPassword(username: string): Promise<{ readonly userId: string; readonly passwordHash: string } | undefined>;
  /** Replace the bindings. @throws `USER_NOT_FOUND` | `LAST_ADMINISTRATOR` (failed_precondition) */
  setBindings(username: string, bindings: readonly RoleBinding[]): Promise<User>;
  /** Store another hash for the same password, unless the password was changed in between. */
  refreshPasswordHash(userId: string, oldHash: string, newHash: string): Promise<void>;
  /** Set a new password and end every session. @throws `USER_NOT_FOUND` */
  changePassword(username: string, passwordHash: string, now: Date): Promise<void>;
  /** Delete a user with all his tokens. @throws `USER_NOT_FOUND` | `LAST_ADMINISTRATOR` */
  delete(username: string): Promise<void>;
}

/** Serialises what could together remove the last administrator or make two first users; any constant will do. */
const usersLock = 7_400_001;

const lockUsers = (tx: Transaction<Database>) => sql`SELECT pg_advisory_xact_lock(${usersLock})`.execute(tx);

export function createUserRepository(store: Pick<Store<Database>, "db" | "transaction">): UserRepository {
  return {
    create: (user) => store.transaction((tx) => insertUser(tx, user)),

    createFirst: (user) =>
      store.transaction(async (tx) => {
        await lockUsers(tx);
        if (await tx.selectFrom("app_user").select("user_id").limit(1).executeTakeFirst()) return "present";
        await insertUser(tx, user);
        return "created";
      }),

    isEmpty: async () => !(await store.db.selectFrom("app_user").select("user_id").limit(1).executeTakeFirst()),

    async list({ limit, afterUsername }) {
      const rows = await store.db
        .selectFrom("app_user")
        .selectAll()
        .$if(afterUsername !== undefined, (query) => query.where("username", ">", afterUsername ?? ""))
        .orderBy("username")
        .limit(limit)
        .execute();
      const bindings = await bindingsOf(
        store.db,
        rows.map((row) => row.user_id),
      );
      return rows.map((row) => userFromRow(row, bindings.get(row.user_id) ?? []));
    },

    find: (username) => findUser(store.db, username),

    async findPassword(username) {
      const row = await store.db
        .selectFrom("app_user")
        .select(["user_id", "password_hash"])
        .where("username", "=", username)
        .executeTakeFirst();
      return row && { userId: row.user_id, passwordHash: row.password_hash };
    },

    setBindings: (username, bindings) =>
      store.transaction(async (tx) => {
        await lockUsers(tx);
        const user = await requireUser(tx, username);
        await tx.deleteFrom("role_binding").where("user_id", "=", user.userId).execute();
        await insertBindings(tx, user.userId, bindings);
        await assertAdministratorLeft(tx);
        return { ...user, bindings };
      }),

    async refreshPasswordHash(userId, oldHash, newHash) {
      await store.db
        .updateTable("app_user")
        .set({ password_hash: newHash })
        .where("user_id", "=", userId)
        .where("password_hash", "=", oldHash)
        .execute();
    },

    changePassword: (username, passwordHash, now) =>
      store.transaction(async (tx) => {
        const row = await tx
          .updateTable("app_user")
          .set({ password_hash: passwordHash })
          .where("username", "=", username)
          .returning("user_id")
          .executeTakeFirst();
        if (!row) throw userNotFound(username);
        await tx
          .updateTable("access_token")
          .set({ revoked_at: now })
          .where("user_id", "=", row.user_id)
          .where("kind", "=", "session")
          .where("revoked_at", "is", null)
          .execute();
      }),

    delete: (username) =>
      store.transaction(async (tx) => {
        await lockUsers(tx);
        const user = await requireUser(tx, username);
        await tx.deleteFrom("app_user").where("user_id", "=", user.userId).execute();
        await assertAdministratorLeft(tx);
      }),
  };
}

async function insertUser(tx: Transaction<Database>, user: NewUser): Promise<User> {
  const inserted = await tx
    .insertInto("app_user")
    .values({
      user_id: user.userId,
      username: user.username,
      password_hash: user.passwordHash,
      created_at: user.createdAt,
      created_by: user.createdBy,
    })
    .onConflict((conflict) => conflict.column("username").doNothing())
    .returning("user_id")
    .executeTakeFirst();
  if (!inserted) {
    throw new DrawbridgeError({
      kind: "already_exists",
      code: "USER_EXISTS",
      message: `there is already a user "${user.username}"; choose another name`,
      details: { username: user.username },
    });
  }
  await insertBindings(tx, user.userId, user.bindings);
  const { userId, username, bindings, createdAt, createdBy } = user;
  return { userId, username, bindings, createdAt, createdBy };
}

async function insertBindings(
  tx: Transaction<Database>,
  userId: string,
  bindings: readonly RoleBinding[],
): Promise<void> {
  if (bindings.length === 0) return;
  const rows = bindings.map(({ role, environment }) => ({ user_id: userId, role, environment }));
  await tx.insertInto("role_binding").values(rows).execute();
}

async function findUser(db: Store<Database>["db"], username: string): Promise<User | undefined> {
  const row = await db.selectFrom("app_user").selectAll().where("username", "=", username).executeTakeFirst();
  if (!row) return undefined;
  const bindings = await bindingsOf(db, [row.user_id]);
  return userFromRow(row, bindings.get(row.user_id) ?? []);
}

async function requireUser(tx: Transaction<Database>, username: string): Promise<User> {
  const user = await findUser(tx, username);
  if (!user) throw userNotFound(username);
  return user;
}

async function bindingsOf(
  db: Store<Database>["db"],
  userIds: readonly string[],
): Promise<ReadonlyMap<string, readonly RoleBinding[]>> {
  if (userIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("role_binding")
    .selectAll()
    .where("user_id", "in", [...userIds])
    .orderBy("environment")
    .execute();
  return Map.groupBy(rows, (row) => row.user_id);
}

async function assertAdministratorLeft(tx: Transaction<Database>): Promise<void> {
  const left = await tx
    .selectFrom("role_binding")
    .select("user_id")
    .where("environment", "=", everyEnvironment)
    .where("role", "=", "administrator")
    .limit(1)
    .executeTakeFirst();
  if (left) return;
  throw new DrawbridgeError({
    kind: "failed_precondition",
    code: "LAST_ADMINISTRATOR",
    message:
      'this would leave nobody who is administrator of every environment ("*"); give another user that role first',
  });
}

export function userNotFound(username: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "not_found",
    code: "USER_NOT_FOUND",
    message: `there is no user "${username}"`,
    details: { username },
  });
}

function userFromRow(
  row: { readonly user_id: string; readonly username: string; readonly created_at: Date; readonly created_by: string },
  bindings: readonly RoleBinding[],
): User {
  return {
    userId: row.user_id,
    username: row.username,
    bindings: bindings.map(({ role, environment }) => ({ role, environment })),
    createdAt: row.created_at,
    createdBy: row.created_by,
  };
}
