import { z } from "zod";

/** The parts of JSON Schema that zod writes for our types. */
export interface FieldSchema {
  readonly type?: string | undefined;
  readonly description?: string | undefined;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[] | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
  readonly minItems?: number | undefined;
  readonly maxItems?: number | undefined;
  readonly secret?: boolean | undefined;
  readonly required?: readonly string[] | undefined;
  readonly properties?: Readonly<Record<string, FieldSchema>> | undefined;
  readonly items?: FieldSchema | undefined;
  readonly oneOf?: readonly FieldSchema[] | undefined;
  readonly anyOf?: readonly FieldSchema[] | undefined;
}

const fieldSchema: z.ZodType<FieldSchema> = z.lazy(() =>
  z.object({
    type: z.string().optional(),
    description: z.string().optional(),
    default: z.unknown().optional(),
    const: z.unknown().optional(),
    enum: z.array(z.unknown()).optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    minLength: z.number().optional(),
    maxLength: z.number().optional(),
    minItems: z.number().optional(),
    maxItems: z.number().optional(),
    secret: z.boolean().optional(),
    required: z.array(z.string()).optional(),
    properties: z.record(z.string(), fieldSchema).optional(),
    items: fieldSchema.optional(),
    oneOf: z.array(fieldSchema).optional(),
    anyOf: z.array(fieldSchema).optional(),
  }),
);

export interface SchemaField {
  /** "limits[].requests". */
  readonly path: string;
  readonly schema: FieldSchema;
  readonly isRequired: boolean;
  /** The form of an alternative that it belongs to: 'source: "jwks"'. */
  readonly form: string | undefined;
}

/** Every field of a configuration, in the order of its schema. */
export function fieldsOf(jsonSchema: unknown): readonly SchemaField[] {
  return membersOf(fieldSchema.parse(jsonSchema), "", undefined);
}

function membersOf(schema: FieldSchema, path: string, form: string | undefined): readonly SchemaField[] {
  const alternatives = schema.oneOf ?? schema.anyOf ?? [];
  const fields: SchemaField[] = [];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const fieldPath = path === "" ? name : `${path}.${name}`;
    const isRequired = schema.required?.includes(name) ?? false;
    fields.push({ path: fieldPath, schema: property, isRequired, form }, ...membersOf(property, fieldPath, undefined));
  }
  return [
    ...fields,
    ...(schema.items ? membersOf(schema.items, `${path}[]`, undefined) : []),
    ...alternatives.flatMap((alternative) => membersOf(alternative, path, formOf(alternative))),
  ];
}

/** The field that tells an alternative from the others. */
function formOf({ properties = {} }: FieldSchema): string | undefined {
  const tag = Object.entries(properties).find(([, { const: value }]) => value !== undefined);
  return tag && `${tag[0]}: ${JSON.stringify(tag[1].const)}`;
}
