import { Command, InvalidArgumentError, Option } from "commander";
import type { OutputOptions } from "../command-context.ts";
import { outputOption } from "./options.ts";

/** An API instance as people write it: "orders:v1@production". */
export interface ApiRef {
  readonly name: string;
  readonly version: string;
  readonly environment: string;
}

/** "name:version", "name:version@environment"; the environment else from DRAWBRIDGE_ENVIRONMENT, else production. */
export function parseApiRef(text: string): ApiRef {
  const at = text.lastIndexOf("@");
  const key = at === -1 ? text : text.slice(0, at);
  const colon = key.lastIndexOf(":");
  const environment = at === -1 ? "" : text.slice(at + 1);
  if (colon < 1 || colon === key.length - 1 || (at !== -1 && environment === "")) {
    throw new InvalidArgumentError("give name:version@environment, for example orders:v1@production.");
  }
  return { name: key.slice(0, colon), version: key.slice(colon + 1), environment };
}

/** Of a command that names one API instance as its argument. */
export const apiEnvironmentOption = (): Option =>
  new Option("-e, --environment <name>", "environment, where the API is not written with @environment")
    .env("DRAWBRIDGE_ENVIRONMENT")
    .default("production");

export function withEnvironment(ref: ApiRef, environment: string): ApiRef {
  return ref.environment === "" ? { ...ref, environment } : ref;
}

export function apiText({ name, version, environment }: ApiRef): string {
  return `${name}:${version}@${environment}`;
}

/** Where an API instance is in the REST API. */
export function apiPath({ name, version, environment }: ApiRef): string {
  const [inEnvironment, called, inVersion] = [environment, name, version].map((part) => encodeURIComponent(part));
  return `/v1/environments/${inEnvironment}/apis/${called}/versions/${inVersion}`;
}

/** Options of a verb about one API instance. */
export interface OneApi extends OutputOptions {
  readonly environment: string;
}

/** A verb about one API instance. */
export function oneApi(verb: string, description: string): Command {
  return new Command(verb)
    .description(description)
    .argument("<api>", "name:version, or name:version@environment", parseApiRef)
    .addOption(apiEnvironmentOption())
    .addOption(outputOption());
}
