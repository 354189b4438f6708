import { isIP } from "node:net";
import { identifiers, sql, type Sql } from "@drawbridge/columnar";
import { queryInvalid } from "./query-error.ts";

/** What requests are grouped and filtered by; each is a column but `status_class`, which only roll-ups have. */
const dimensions = [
  "api",
  "api_version",
  "application",
  "resource_path",
  "verb",
  "status_code",
  "status_class",
  "violated_policy",
  "disposition",
  "client_ip",
  "continent",
  "country",
  "city",
  "postal_code",
  "timezone",
  "browser",
  "user_agent_type",
  "user_agent_version",
  "hardware_platform",
  "os_family",
  "os_major_version",
  "os_minor_version",
  "os_version",
  "app",
  "replica",
  "gateway",
  "fabric_id",
  "environment",
] as const;
export type Dimension = (typeof dimensions)[number];

const column = identifiers(dimensions);

/** By the first digit of the status code; none where the client left before an answer. */
const statusClasses = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"] as const;
/** By the numbers of the contract. */
const dispositions = ["", "processed", "policy_violation", "blocked", "error"] as const;

/** What single requests are grouped by. */
export function keyOfRequests(dimension: Dimension): Sql {
  if (dimension !== "status_class") return column(dimension);
  return sql`transform(intDiv(status_code, 100), [1, 2, 3, 4, 5], ['1xx', '2xx', '3xx', '4xx', '5xx'], 'none')`;
}

/** The same in a roll-up, which has a column for each of its dimensions. */
export function keyOfParts(dimension: Dimension): Sql {
  return column(dimension);
}

interface KeyRule {
  /** The text that is told of a key. */
  readonly text: (key: Sql) => Sql;
  /** Keys out of texts, which are an Array(String). */
  readonly keys: (texts: Sql) => Sql;
  /** The text of a value that was asked for, as `keys` takes it. */
  readonly value: (asked: string, field: string) => string;
}

/** Keys that are texts of their own. */
const textRule: KeyRule = { text: (key) => sql`toString(${key})`, keys: (texts) => texts, value: (asked) => asked };
/** The others. */
const rules: Readonly<Partial<Record<Dimension, KeyRule>>> = {
  status_code: { ...textRule, keys: (texts) => sql`(arrayMap(text -> toUInt16(text), ${texts}))`, value: statusCode },
  status_class: { ...textRule, value: (asked, field) => statusClasses[indexOf(statusClasses, asked, field)] ?? asked },
  disposition: {
    text: dispositionText,
    keys: (texts) => sql`(arrayMap(text -> toUInt8(text), ${texts}))`,
    value: (asked, field) => String(indexOf(dispositions, asked, field)),
  },
  client_ip: {
    text: addressText,
    keys: (texts) => sql`(arrayMap(text -> toIPv6(text), ${texts}))`,
    value: addressValue,
  },
};

/** The text that is told of a key. */
export function textOfKey(dimension: Dimension, key: Sql): Sql {
  return ruleOf(dimension).text(key);
}

/** That a key is one of `texts`, an Array(String) as `filterValues` gives it. */
export function isOneOf(dimension: Dimension, key: Sql, texts: Sql): Sql {
  return sql`${key} IN ${ruleOf(dimension).keys(texts)}`;
}

function ruleOf(dimension: Dimension): KeyRule {
  return rules[dimension] ?? textRule;
}

export function dispositionText(disposition: Sql): Sql {
  return sql`transform(toUInt8(${disposition}), [1, 2, 3, 4], ['processed', 'policy_violation', 'blocked', 'error'], '')`;
}

/** IPv4 as people write it; nothing where nothing was told. */
export function addressText(address: Sql): Sql {
  return sql`if(${address} = toIPv6('::'), '', replaceRegexpOne(toString(${address}), '^::ffff:([0-9.]+)$', '\\1'))`;
}

const mostValues = 100;
const longestValue = 1_024;

/**
 * The values of a filter as the statement takes them: what is no text of its own is the text of a number or an address.
 *
 * @param field of the request that they stand in, for the error
 * @throws DrawbridgeError `ANALYTICS_QUERY_INVALID`
 */
export function filterValues(dimension: Dimension, values: readonly string[], field: string): readonly string[] {
  if (values.length === 0) throw queryInvalid(field, "must have at least one value");
  if (values.length > mostValues) throw queryInvalid(field, `must have at most ${mostValues} values`);
  for (const value of values) {
    if (value.length > longestValue) throw queryInvalid(field, `must have at most ${longestValue} characters each`);
  }
  const { value: valueOf } = ruleOf(dimension);
  return values.map((value) => valueOf(value, field));
}

function statusCode(value: string, field: string): string {
  if (/^(0|[1-9]\d{2})$/.test(value)) return value;
  throw queryInvalid(field, "must be status codes, or 0 where the client left before an answer");
}

function indexOf(known: readonly string[], value: string, field: string): number {
  const index = known.indexOf(value);
  if (index === -1) throw queryInvalid(field, `must be of ${known.filter((name) => name !== "").join(", ")}`);
  return index;
}

/** The engine's type is IPv6 and holds IPv4 within it. */
function addressValue(value: string, field: string): string {
  if (value === "") return "::";
  if (isIP(value) === 4) return `::ffff:${value}`;
  if (isIP(value) === 6 && !value.includes("%")) return value;
  throw queryInvalid(field, "must be addresses, or nothing for those that were not told");
}
