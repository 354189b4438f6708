import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeBundleFile } from "@drawbridge/bundle";

const serverSource = `
import { createServer } from "node:http";
const answer = process.env.ANSWER ?? "no answer";
createServer((request, response) => response.end(request.url === "/secret" ? (process.env.PASSWORD ?? "") : answer))
  .listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening with " + answer));
`;

/** A real bundle with a small HTTP server that answers ANSWER. */
export async function makeBundle(
  folder: string,
  options: {
    readonly version?: string;
    readonly source?: string;
    /** YAML after the manifest. */ readonly more?: string;
  } = {},
): Promise<Uint8Array> {
  const version = options.version ?? "1.0.0";
  const directory = join(folder, `source-${version}`);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "server.mjs"), options.source ?? serverSource);
  await writeFile(
    join(directory, "drawbridge.yaml"),
    `apiVersion: drawbridge/v1
name: shop
version: "${version}"
runtime:
  command: ["node", "server.mjs"]
ports:
  - name: http
    env: PORT
readiness:
  path: /
configuration:
  properties:
    ANSWER:
      default: "version ${version}"
    PASSWORD:
      secret: true
${options.more ?? ""}`,
  );
  const file = join(folder, `bundle-${version}.tgz`);
  await writeBundleFile({ directory, file });
  return readFile(file);
}
