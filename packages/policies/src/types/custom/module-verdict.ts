import { z } from "zod";
import { headerValueField, ownHeaderNameField } from "../header-fields.ts";

const headers = z
  .record(ownHeaderNameField("name of the header"), headerValueField("its value"))
  .refine((record) => Object.keys(record).length <= 50, "must not set more than 50 headers")
  .default({});

const verdictSchema = z.strictObject({
  setHeaders: headers,
  removeHeaders: z.array(ownHeaderNameField("name of the header")).max(50).default([]),
  setResponseHeaders: headers,
  refuse: z
    .strictObject({
      status: z.number().int().min(400).max(599),
      title: z.string().min(1).max(200),
      detail: z.string().max(1000).optional(),
    })
    .optional(),
});

/** What a module may say about a request. */
export type ModuleVerdict = z.output<typeof verdictSchema>;

/** @throws if it says anything else: a request is not let through on a verdict that was not understood */
export function readVerdict(value: unknown): ModuleVerdict {
  return verdictSchema.parse(value ?? {});
}
