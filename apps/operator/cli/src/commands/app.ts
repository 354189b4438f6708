import { Command } from "commander";
import { listAll } from "../api/paging.ts";
import { type App, appSchema, revisionSchema } from "../api/types.ts";
import { type CommandWorld, outputOf, withApi } from "../command-context.ts";
import { formatTime, shortDigest } from "../output/format.ts";
import { formatTable } from "../output/table.ts";
import { changeCommands } from "./app-change.ts";
import { deployCommand, hostsField, updateCommand } from "./app-deploy.ts";
import { logsCommand } from "./app-logs.ts";
import { appPath } from "./app-path.ts";
import { gatesInShort } from "./gate.ts";
import { environmentOption, outputOption } from "./options.ts";

interface OutputChoice {
  readonly output?: "table" | "json";
}

export function appCommand(world: CommandWorld): Command {
  const app = new Command("app").description("apps: what runs in the fabrics");
  app.addCommand(deployCommand(world));
  app.addCommand(updateCommand(world));
  app
    .command("list")
    .description("list apps")
    .option("-e, --environment <name>", "only this environment's")
    .option("-f, --fabric <name>", "only this fabric's")
    .addOption(outputOption())
    .action(async (options: OutputChoice & { environment?: string; fabric?: string }) => {
      const apps = await withApi(world, (api) =>
        listAll(api, "/v1/apps", appSchema, { environment: options.environment, fabric: options.fabric }),
      );
      outputOf(world, options).list(
        [
          { title: "NAME", value: (row) => row.name },
          { title: "ENVIRONMENT", value: (row) => row.environment },
          { title: "FABRIC", value: (row) => row.fabric },
          { title: "VERSION", value: (row) => row.version },
          { title: "PHASE", value: phaseOf },
          { title: "READY", value: readyOf, align: "right" },
          { title: "ADDRESS", value: (row) => row.status?.endpoints[0] ?? "-" },
        ],
        apps,
        { empty: 'no apps; "drawbridge app deploy <directory>" brings one' },
      );
    });
  app
    .command("show")
    .description("show one app: what it should be and what it is")
    .argument("<app>", "name")
    .addOption(environmentOption())
    .addOption(outputOption())
    .action(async (name: string, options: OutputChoice & { environment: string }) => {
      const found = await withApi(world, (api) => api.call(appPath(options.environment, name), appSchema));
      const output = outputOf(world, options);
      output.fields(appFields(found), found);
      for (const line of details(found)) output.text(line);
    });
  app
    .command("history")
    .description("list the revisions of an app, newest first")
    .argument("<app>", "name")
    .addOption(environmentOption())
    .addOption(outputOption())
    .action(async (name: string, options: OutputChoice & { environment: string }) => {
      const revisions = await withApi(world, (api) =>
        listAll(api, `${appPath(options.environment, name)}/revisions`, revisionSchema),
      );
      outputOf(world, options).list(
        [
          { title: "REVISION", value: (row) => `${row.revision}${row.current ? " (current)" : ""}` },
          { title: "VERSION", value: (row) => row.version },
          { title: "BUNDLE", value: (row) => shortDigest(row.bundleDigest) },
          { title: "CAUSE", value: (row) => row.cause },
          { title: "SERVED", value: (row) => (row.servedAt ? "yes" : "never") },
          { title: "BY", value: (row) => row.requestedBy },
          { title: "AT", value: (row) => formatTime(row.createdAt) },
        ],
        revisions,
        { empty: "no revisions" },
      );
    });
  for (const command of changeCommands(world)) app.addCommand(command);
  app.addCommand(logsCommand(world));
  return app;
}

function phaseOf(app: App): string {
  const phase = app.deleting ? "deleting" : (app.status?.phase ?? "pending");
  return app.statusCurrent ? phase : `${phase} (last known)`;
}

function readyOf(app: App): string {
  return `${app.status?.readyReplicas ?? 0}/${app.desiredState === "running" ? app.replicas : 0}`;
}

function appFields(app: App): [string, string][] {
  return [
    ["Name", app.name],
    ["Environment", app.environment],
    ["Fabric", app.fabric],
    ["Version", `${app.version} (revision ${app.revision})`],
    ["Bundle", app.bundleDigest],
    [
      "Wish",
      app.deleting ? "deleted" : `${app.desiredState}, ${app.replicas} replica(s), generation ${app.generation}`,
    ],
    ...(app.gatekeeper
      ? ([["Gatekeeper", `${app.gatekeeper.level}, set for the ${app.gatekeeper.source}`]] satisfies [string, string][])
      : []),
    ["Phase", phaseOf(app)],
    ["Serving", app.status && app.status.servingRevision > 0 ? `revision ${app.status.servingRevision}` : "-"],
    ["Ready", readyOf(app)],
    ["Address", app.status?.endpoints.join(", ") || "-"],
    ...hostsField(app),
    ...((app.manifest?.apis?.length ?? 0) > 0
      ? ([["Gates", `${gatesInShort(app)}; "drawbridge gate explain ${app.name}" says more`]] satisfies [
          string,
          string,
        ][])
      : []),
    ["Changed", formatTime(app.updatedAt)],
    ["Observed", formatTime(app.status?.observedAt)],
  ];
}

function details(app: App): string[] {
  const lines: string[] = [];
  const conditions = app.status?.conditions ?? [];
  if (conditions.length > 0) {
    lines.push("", "Conditions");
    for (const { type, status, reason, message } of conditions)
      lines.push(`  ${type}=${status}  ${reason}${message ? `: ${message}` : ""}`);
  }
  const replicas = app.status?.replicas ?? [];
  if (replicas.length > 0) {
    lines.push(
      "",
      formatTable(
        [
          { title: "REPLICA", value: (row) => row.replicaId },
          { title: "REVISION", value: (row) => String(row.revision), align: "right" },
          { title: "STATE", value: (row) => row.state },
          { title: "RESTARTS", value: (row) => String(row.restarts), align: "right" },
          { title: "STARTED", value: (row) => formatTime(row.startedAt) },
          { title: "LAST EXIT", value: (row) => row.lastExit || "-" },
        ],
        replicas,
      ),
    );
  }
  return lines;
}
