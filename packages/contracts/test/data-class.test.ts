import { DataClass } from "@drawbridge/contracts/options/v1/data_class";
import { beforeAll, expect, test } from "vitest";
import { readDescriptors, type Descriptors, type Field } from "./descriptors.ts";

/** The services that a fabric talks to over gRPC: whatever they can carry crosses the boundary. */
const boundary = [".drawbridge.activation.v1.ActivationService", ".drawbridge.tunnel.v1.TunnelService"];

/** Fields that carry customer data. Each needs a capability that the fabric's own configuration switches on (META 4). */
const knownPayloads = [
  ".drawbridge.tunnel.v1.ConnectRequest.logs_chunk",
  ".drawbridge.tunnel.v1.LogsChunk.lines",
  ".drawbridge.tunnel.v1.LogLine.line",
];

let descriptors: Descriptors;
beforeAll(async () => {
  descriptors = await readDescriptors();
}, 60_000);

/** Every field that a message of these services can hold, at any depth. Google's own types are scalars in this respect. */
function crossingFields(): readonly Field[] {
  const seen = new Set<string>();
  const fields: Field[] = [];
  const visit = (message: string): void => {
    if (seen.has(message) || !message.startsWith(".drawbridge.")) return;
    seen.add(message);
    for (const field of descriptors.messages.get(message) ?? []) {
      fields.push(field);
      visit(field.typeName);
    }
  };
  for (const service of boundary) for (const message of descriptors.services.get(service) ?? []) visit(message);
  return fields;
}

const nameOf = ({ message, name }: Field): string => `${message}.${name}`;

test("the walk reaches both services and what they carry from runtime/v1", () => {
  const names = crossingFields().map(nameOf);
  expect(names).toContain(".drawbridge.activation.v1.ActivateRequest.token");
  expect(names).toContain(".drawbridge.tunnel.v1.Hello.agent_id");
  expect(names.some((name) => name.startsWith(".drawbridge.runtime.v1."))).toBe(true);
  expect(names.length).toBeGreaterThan(80);
});

test("every field that crosses the boundary has a data class", () => {
  const unclassified = crossingFields().filter(
    ({ dataClass, isMapEntry }) => dataClass === DataClass.DATA_CLASS_UNSPECIFIED && !isMapEntry,
  );
  expect(unclassified.map(nameOf)).toEqual([]);
});

test("no field carries customer data but those known to (MGT 6)", () => {
  const payloads = crossingFields().filter(({ dataClass }) => dataClass === DataClass.DATA_CLASS_PAYLOAD);
  expect(payloads.map(nameOf).toSorted()).toEqual(knownPayloads.toSorted());
});

test("secrets of activation are classed as identity", () => {
  const classOf = new Map(crossingFields().map((field) => [nameOf(field), field.dataClass]));
  for (const name of ["ActivateRequest.token", "RegistryLogin.password"]) {
    expect(classOf.get(`.drawbridge.activation.v1.${name}`)).toBe(DataClass.DATA_CLASS_IDENTITY);
  }
});
