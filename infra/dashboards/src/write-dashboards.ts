import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { allDashboards, textOf } from "./dashboards.ts";

/** `node src/write-dashboards.ts`: writes the files that Grafana reads. */
const directory = join(import.meta.dirname, "../grafana/dashboards");
await mkdir(directory, { recursive: true });
for (const [name, dashboard] of allDashboards()) await writeFile(join(directory, name), textOf(dashboard));
