// Writes schema/drawbridge.schema.json: `node src/manifest/write-json-schema.ts`. A test fails when the file is stale.
import { writeFileSync } from "node:fs";
import { manifestJsonSchema } from "./manifest-json-schema.ts";

const path = new URL("../../schema/drawbridge.schema.json", import.meta.url);
writeFileSync(path, `${JSON.stringify(manifestJsonSchema(), undefined, 2)}\n`);
