import { expect, test } from "vitest";
import { allOf, identifiers, listOf, sql, sqlText, type Sql } from "./sql.ts";

test("statements are put together from statements", () => {
  const column = identifiers(["api", "verb"]);
  const where = allOf([sql`ts >= {from:DateTime64(3)}`, sql`verb = {verb:String} OR 1`]);
  const statement = sql`SELECT ${listOf([column("api"), column("verb")])} FROM events WHERE ${where}`;
  expect(sqlText(statement)).toBe(
    "SELECT `api`, `verb` FROM events WHERE (ts >= {from:DateTime64(3)}) AND (verb = {verb:String} OR 1)",
  );
  expect(sqlText(sql`SELECT 1 WHERE ${allOf([])}`)).toBe("SELECT 1 WHERE 1");
});

test.each([["text"], [1], [undefined], [{}], [{ text: "SELECT 1" }]])("refuses %j between its parts", (value) => {
  // The type refuses it too; this is what holds where types were cast away.
  expect(() => sql`SELECT ${value as unknown as Sql}`).toThrow(TypeError);
});

test("refuses text that does not stand in the source", () => {
  const strings = ["SELECT 1"];
  expect(() => sql(Object.assign(strings, { raw: strings }))).toThrow("template literals");
});

test("refuses a second statement", () => {
  expect(() => sql`SELECT 1; DROP TABLE t`).toThrow("one statement");
});

test("refuses an identifier that is not on the list", () => {
  const column = identifiers(["api"]);
  expect(() => column("api` --" as "api")).toThrow("not one of api");
  expect(() => identifiers(["a b"])).toThrow("no identifier");
});
