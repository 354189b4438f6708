import type { JsonFields } from "./json-fields.ts";
import type { ProcessRef } from "./process-table.ts";

export function refFrom(json: JsonFields): ProcessRef {
  return { pid: json.number("pid"), startTicks: json.text("startTicks"), bootId: json.text("bootId") };
}
