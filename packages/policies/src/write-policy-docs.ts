// Writes docs/policies.md: `node packages/policies/src/write-policy-docs.ts`. A test fails when the file is stale.
import { writeFileSync } from "node:fs";
import { policyDocs } from "./docs/policy-docs.ts";

writeFileSync(new URL("../../../docs/policies.md", import.meta.url), policyDocs());
