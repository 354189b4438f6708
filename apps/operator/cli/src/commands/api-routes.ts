import type { Command } from "commander";
import { routesSchema } from "../api/apis-types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { formatTime } from "../output/format.ts";
import { type ApiRef, apiPath, apiText, type OneApi, oneApi, withEnvironment } from "./api-ref.ts";

/** `drawbridge api routes` */
export function apiRoutesCommand(world: CommandWorld): Command {
  return oneApi("routes", "list the routes of an API that gateways observed").action(
    async (given: ApiRef, options: OneApi) => {
      const ref = withEnvironment(given, options.environment);
      const shown = await withApi(world, (client) => client.call(`${apiPath(ref)}/routes`, routesSchema));
      const output = outputOf(world, options);
      if (output.format === "json") {
        output.fields([], shown);
        return;
      }
      output.list(
        [
          { title: "ROUTE", value: (row) => `${row.method} ${row.path}` },
          { title: "FIRST SEEN", value: (row) => formatTime(row.firstSeen) },
          { title: "LAST SEEN", value: (row) => row.lastSeen.slice(0, 10) },
        ],
        shown.routes,
        {
          empty: shown.observed
            ? `no route of ${apiText(ref)} was seen often enough yet`
            : `${apiText(ref)} is not observed; "drawbridge api set" with --observe-routes on changes that`,
        },
      );
    },
  );
}
