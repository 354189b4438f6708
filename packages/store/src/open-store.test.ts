import { expect, test } from "vitest";
import { assertSchemaName } from "./open-store.ts";

test.each(["", "Upper", "has space", "a-b", "x; DROP", "1st", "a".repeat(64)])(
  "refuses %j as a schema name",
  (name) => {
    expect(() => assertSchemaName(name)).toThrow(expect.objectContaining({ code: "STORE_SCHEMA_INVALID" }));
  },
);
