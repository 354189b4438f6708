import { DrawbridgeError } from "@drawbridge/errors";

/** A user and group by number, as the system knows them. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

/** Which users apps run as. */
export type AppUsers =
  /** The agent's own: nothing keeps an app from the agent's files but their absence from its environment. */
  | { readonly kind: "agent" }
  /** One for all apps: they cannot read what is the agent's, but what is each other's. */
  | { readonly kind: "shared"; readonly runAs: RunAs }
  /** A number of its own for each app, as user and as group. */
  | { readonly kind: "own"; readonly from: number; readonly to: number };

/** "app", "app:web", "1500", "1500:1500" or a range, "200000-200999". */
export const appUserPattern = /^(?:\d+-\d+|[A-Za-z0-9_.][A-Za-z0-9_.-]*(?::[A-Za-z0-9_.][A-Za-z0-9_.-]*)?)$/;

/** Highest number but -1, which the system reserves. */
const maxId = 4_294_967_294;

/**
 * What DRAWBRIDGE_APP_USER says. Names are looked up in the texts of /etc/passwd and /etc/group.
 *
 * @throws DrawbridgeError `APP_USER_INVALID` (invalid_argument)
 */
export function parseAppUsers(
  text: string | undefined,
  accounts: { readonly passwd: string; readonly group: string },
): AppUsers {
  if (text === undefined) return { kind: "agent" };
  const range = /^(\d+)-(\d+)$/.exec(text);
  if (range !== null) return parseRange(Number(range[1]), Number(range[2]), accounts.passwd);
  const [user = "", group] = text.split(":");
  const account = findEntry(accounts.passwd, user);
  const uid = isNumber(user) ? Number(user) : account?.[2];
  if (uid === undefined)
    throw invalid(`there is no user "${user}" in /etc/passwd; name one that exists, or its number`);
  const gid =
    group === undefined
      ? (account?.[3] ?? uid)
      : isNumber(group)
        ? Number(group)
        : findEntry(accounts.group, group)?.[2];
  if (gid === undefined)
    throw invalid(`there is no group "${group}" in /etc/group; name one that exists, or its number`);
  if (uid > maxId || gid > maxId) throw invalid("a number is higher than the system's highest");
  if (uid === 0 || gid === 0) throw invalid("apps must not run as root: name another user and group");
  return { kind: "shared", runAs: { uid, gid } };
}

function parseRange(from: number, to: number, passwd: string): AppUsers {
  if (from < 1 || to > maxId || from > to) throw invalid(`the range must rise, within 1 to ${maxId}`);
  const account = entriesOf(passwd).find(([, , uid]) => uid >= from && uid <= to);
  if (account !== undefined) {
    const [name, , uid] = account;
    throw invalid(`${uid} of the range is the user "${name}": choose numbers that belong to nobody`);
  }
  return { kind: "own", from, to };
}

/** Name, password field, number, and group in the case of a user. */
type Entry = readonly [name: string, password: string, id: number, gid: number];

function entriesOf(text: string): readonly Entry[] {
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .filter((fields) => fields.length >= 4 && isNumber(fields[2] ?? ""))
    .map(([name = "", password = "", id, gid]): Entry => [name, password, Number(id), Number(gid)]);
}

/** By name, or a user by number, for its group. */
function findEntry(text: string, user: string): Entry | undefined {
  const entries = entriesOf(text);
  return entries.find(([name]) => name === user) ?? entries.find(([, , id]) => String(id) === user);
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}

function invalid(what: string): DrawbridgeError {
  return new DrawbridgeError({
    kind: "invalid_argument",
    code: "APP_USER_INVALID",
    message: `DRAWBRIDGE_APP_USER cannot be used: ${what}.`,
  });
}
