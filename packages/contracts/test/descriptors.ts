import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

export interface Field {
  readonly message: string;
  readonly name: string;
  /** Fully qualified type of a message or enum field; "" for scalars. */
  readonly typeName: string;
  /** Value of the option data_class; 0 if it is not set. */
  readonly dataClass: number;
  /** Key or value of a map, which takes the class of the map. */
  readonly isMapEntry: boolean;
}

export interface Descriptors {
  /** Fields by fully qualified message name, ".drawbridge.tunnel.v1.Hello". */
  readonly messages: ReadonlyMap<string, readonly Field[]>;
  /** Request and response types by fully qualified service name. */
  readonly services: ReadonlyMap<string, readonly string[]>;
}

const root = fileURLToPath(new URL("../../..", import.meta.url));
const buf = fileURLToPath(new URL("../node_modules/.bin/buf", import.meta.url));

// Numbers of google/protobuf/descriptor.proto, which is frozen. The wire format is read by hand because the option
// data_class is an extension, and ts-proto's reader drops extensions.
const fileSet = { file: 1 };
const file = { package: 2, messageType: 4, service: 6 };
const messageType = { name: 1, field: 2, nestedType: 3, options: 7 };
const messageOptions = { mapEntry: 7 };
const fieldType = { name: 1, typeName: 6, options: 8 };
const service = { name: 1, method: 2 };
const method = { inputType: 2, outputType: 3 };
const dataClassOption = 50_001;

/** All messages and services of proto/, as buf compiles them. */
export async function readDescriptors(): Promise<Descriptors> {
  const { stdout } = await promisify(execFile)(buf, ["build", "-o", "-#format=binpb"], {
    cwd: root,
    encoding: "buffer",
    maxBuffer: 64 * 1024 * 1024,
  });
  const messages = new Map<string, readonly Field[]>();
  const services = new Map<string, readonly string[]>();
  for (const bytes of parse(stdout).bytes(fileSet.file)) {
    const parts = parse(bytes);
    const scope = `.${parts.text(file.package)}`;
    for (const message of parts.bytes(file.messageType)) addMessage(messages, scope, message);
    for (const definition of parts.bytes(file.service)) {
      const ends = parse(definition)
        .bytes(service.method)
        .flatMap((bytesOfMethod) => {
          const ofMethod = parse(bytesOfMethod);
          return [ofMethod.text(method.inputType), ofMethod.text(method.outputType)];
        });
      services.set(`${scope}.${parse(definition).text(service.name)}`, ends);
    }
  }
  return { messages, services };
}

function addMessage(messages: Map<string, readonly Field[]>, scope: string, bytes: Uint8Array): void {
  const parts = parse(bytes);
  const name = `${scope}.${parts.text(messageType.name)}`;
  const [ownOptions] = parts.bytes(messageType.options);
  const isMapEntry = ownOptions !== undefined && parse(ownOptions).number(messageOptions.mapEntry) === 1;
  messages.set(
    name,
    parts.bytes(messageType.field).map((field) => {
      const ofField = parse(field);
      const [options] = ofField.bytes(fieldType.options);
      return {
        message: name,
        name: ofField.text(fieldType.name),
        typeName: ofField.text(fieldType.typeName),
        dataClass: options ? parse(options).number(dataClassOption) : 0,
        isMapEntry,
      };
    }),
  );
  for (const nested of parts.bytes(messageType.nestedType)) addMessage(messages, name, nested);
}

interface Parts {
  bytes(field: number): readonly Uint8Array[];
  text(field: number): string;
  number(field: number): number;
}

/** The fields of a message on the wire, by number. */
function parse(message: Uint8Array): Parts {
  const chunks = new Map<number, Uint8Array[]>();
  const numbers = new Map<number, number>();
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType === WireType.LengthDelimited) chunks.set(field, [...(chunks.get(field) ?? []), reader.bytes()]);
    else if (wireType === WireType.Varint) numbers.set(field, Number(reader.uint64()));
    else reader.skip(wireType, field);
  }
  return {
    bytes: (field) => chunks.get(field) ?? [],
    text: (field) => new TextDecoder().decode(chunks.get(field)?.[0] ?? new Uint8Array()),
    number: (field) => numbers.get(field) ?? 0,
  };
}
