import { expect, test } from "vitest";
import { fieldClasses } from "../../src/egress/field-classes.ts";
import { fieldClassesFromProto } from "./field-classes-from-proto.ts";

test("the data classes that the agent checks by are those of the contracts (else: node test/egress/write-field-classes.ts)", () => {
  expect(fieldClasses).toEqual(fieldClassesFromProto());
});
