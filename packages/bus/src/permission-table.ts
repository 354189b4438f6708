import { serviceNames } from "./service-access.ts";
import { permissionsOf } from "./service-permissions.ts";

/** The permissions of every login as a table in Markdown, for operators who run their own NATS. */
export function permissionTable(): string {
  const cell = (subjects: readonly string[]): string => subjects.map((subject) => `\`${subject}\``).join(", ");
  const rows = serviceNames.map((service) => {
    const { publish, subscribe } = permissionsOf(service);
    return `| ${service} | ${cell(publish)} | ${cell(subscribe)} |`;
  });
  return ["| login | may publish | may subscribe |", "| --- | --- | --- |", ...rows].join("\n");
}
