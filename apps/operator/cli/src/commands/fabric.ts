import { Command } from "commander";
import { listAll } from "../api/paging.ts";
import { deletedFabricSchema, fabricSchema } from "../api/types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { formatTime } from "../output/format.ts";
import { fabricPath } from "./fabric-path.ts";
import { fabricRecoverCommand } from "./fabric-recover.ts";
import { fabricSetCommand } from "./fabric-set.ts";
import { fabricShowCommand } from "./fabric-show.ts";
import { fabricTokenCommand } from "./fabric-token.ts";
import { outputOption } from "./options.ts";

interface OutputChoice {
  readonly output?: "table" | "json";
}

export function fabricCommand(world: CommandWorld): Command {
  const fabric = new Command("fabric").description("fabrics: the clusters that apps run in");
  fabric.addCommand(fabricTokenCommand(world));
  fabric
    .command("list")
    .description("list fabrics")
    .addOption(outputOption())
    .action(async (options: OutputChoice) => {
      const fabrics = await withApi(world, (api) => listAll(api, "/v1/fabrics", fabricSchema));
      outputOf(world, options).list(
        [
          { title: "NAME", value: (row) => row.name },
          { title: "STATE", value: (row) => row.state },
          { title: "ENVIRONMENTS", value: (row) => row.environments.join(",") },
          { title: "REGION", value: (row) => row.region || "-" },
          { title: "AGENT", value: (row) => row.cluster?.agentVersion ?? "-" },
          { title: "APPS", value: (row) => String(row.appCount), align: "right" },
          { title: "LAST SEEN", value: (row) => formatTime(row.lastSeenAt) },
        ],
        fabrics,
        { empty: 'no fabrics yet; "drawbridge fabric token create <name>" begins one' },
      );
    });
  fabric.addCommand(fabricShowCommand(world));
  fabric.addCommand(fabricRecoverCommand(world));
  fabric.addCommand(fabricSetCommand(world));
  fabric
    .command("delete")
    .description(
      "delete a fabric: closes its tunnel and revokes its certificates; its apps go on running until they are stopped in the fabric",
    )
    .argument("<fabric>", "name or id")
    .option("--force", "delete it although apps are deployed to it")
    .addOption(outputOption())
    .action(async (name: string, options: OutputChoice & { force?: boolean }) => {
      const deleted = await withApi(world, (api) =>
        api.call(fabricPath(name), deletedFabricSchema, {
          method: "DELETE",
          query: { force: options.force },
        }),
      );
      outputOf(world, options).done(`fabric ${name} is deleted`, deleted);
    });
  return fabric;
}
