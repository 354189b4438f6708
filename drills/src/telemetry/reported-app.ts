import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addressOf, type TestStack } from "@drawbridge/local/testing";
import { createApi } from "../stack/apis.ts";
import { pathOfStep } from "./step-load.ts";

export const reportedApi = "reported";

/** An app whose API tracks a resource for each step, so that requests of one step can be told from those of the next. */
export async function deployReported(stack: TestStack, steps: number): Promise<string> {
  await createApi(stack, reportedApi);
  const resources = Array.from({ length: steps }, (_, step) => `{ path: "${pathOfStep(step)}" }`).join(", ");
  const directory = await stack.hello({
    version: "1.0.0",
    name: reportedApi,
    edit: async (folder) => {
      const path = join(folder, "drawbridge.yaml");
      const api = `apis:\n  - { name: ${reportedApi}, version: "v1", resources: [${resources}] }\n`;
      await writeFile(path, `${await readFile(path, "utf8")}${api}`);
    },
  });
  return addressOf(await stack.deploy(directory));
}
