import type { DataClass } from "@drawbridge/egress";

export interface FieldRule {
  readonly dataClass: DataClass;
  /** Full name of the message that the field holds; absent for scalars. */
  readonly message?: string;
  readonly isRepeated?: true;
  /** Name of the oneof that the field belongs to. */
  readonly oneof?: string;
}

/** Rules by full message name and field name (lowerCamelCase). */
export type FieldClasses = Readonly<Record<string, Readonly<Record<string, FieldRule>>>>;
