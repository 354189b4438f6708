import { readFile } from "node:fs/promises";
import { fastify } from "fastify";
import { describe, expect, test } from "vitest";
import { everyRoute } from "../../test/support/every-route.ts";
import { errorCatalogue } from "./error-catalogue.ts";
import { buildOpenApi, errorsOf, statusOf } from "./openapi.ts";
import { registerRoutes } from "./register-routes.ts";

const routes = everyRoute();
const repository = new URL("../../../../../", import.meta.url);

interface Operation {
  readonly operationId: string;
  readonly security: readonly unknown[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, { readonly "x-error-codes"?: readonly string[] }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
}
const document = buildOpenApi(routes, "test") as unknown as Document; // the parts that these tests read

/** Routes as fastify has them, in OpenAPI's form. */
async function registered(): Promise<readonly string[]> {
  const app = fastify();
  const found: string[] = [];
  app.addHook("onRoute", ({ method, url }) => {
    for (const verb of [method].flat()) found.push(`${verb} ${url.replaceAll(/:(\w+)/g, "{$1}")}`);
  });
  const unused = {} as never; // nothing is called while routes are registered
  const rates = { perAddress: 1, perToken: 1, refusedPerAddress: 1 };
  await registerRoutes(app, {
    routes,
    rates,
    trustBundleSequence: unused,
    authenticate: unused,
    trail: unused,
    clock: unused,
    ids: unused,
    logger: unused,
  });
  await app.ready();
  await app.close();
  return found;
}

describe("the OpenAPI document", () => {
  test("has exactly the routes that the server has", async () => {
    const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.toSorted()).toEqual((await registered()).toSorted());
  });

  test("names each operation once", () => {
    const names = routes.map((route) => route.action);
    expect(new Set(names).size).toBe(names.length);
  });

  test.each(routes.map((route) => ({ action: route.action, route })))(
    "$action has every error, path parameter and its login",
    ({ route }) => {
      const operation = document.paths[route.path]?.[route.method.toLowerCase()];
      if (!operation) throw new Error("not in the document");
      for (const code of errorsOf(route)) {
        const response = operation.responses[String(statusOf(code))];
        expect(response, code).toBeDefined();
        if (response?.["x-error-codes"]) expect(response["x-error-codes"]).toContain(code);
      }
      const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const declared =
        operation.parameters?.filter((parameter) => parameter.in === "path").map(({ name }) => name) ?? [];
      expect(declared).toEqual(inPath);
      expect(operation.security).toEqual(route.permission.scope === "public" ? [] : [{ accessToken: [] }]);
    },
  );

  test("refers to no schema that it does not have", () => {
    const references = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
      (match) => match[1] ?? "",
    );
    expect(references.length).toBeGreaterThan(50);
    expect(references.filter((name) => !(name in document.components.schemas))).toEqual([]);
    expect(JSON.stringify(document)).not.toContain("$defs");
  });
});

describe("error codes", () => {
  test("are each used by a route", () => {
    const used = new Set(routes.flatMap((route) => errorsOf(route)));
    const unused = Object.keys(errorCatalogue).filter((code) => !used.has(code as keyof typeof errorCatalogue)); // its keys
    expect(unused).toEqual(["ROUTE_NOT_FOUND"]); // what is no route has none
  });

  test("of ours have a row in docs/errors.md, with their kind", async () => {
    const text = await readFile(new URL("docs/errors.md", repository), "utf8");
    const cells = text.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
    const kinds = new Map(cells.map(([, code = "", kind = ""]) => [code, kind]));
    const startUp = [
      ["BOOTSTRAP_PASSWORD_MISSING", "failed_precondition"],
      ["BOOTSTRAP_PASSWORD_WEAK", "failed_precondition"],
    ];
    const ours = Object.entries(errorCatalogue).filter(([, entry]) => entry.ours);
    const expected = [...ours.map(([code, { kind }]) => [code, kind]), ...startUp];
    expect(expected.map(([code = ""]) => [code, kinds.get(code)])).toEqual(expected);
  });
});
