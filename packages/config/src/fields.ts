import { readFileSync } from "node:fs";
import { z } from "zod";
import { Secret } from "./secret.ts";

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const addressPattern = /^(?<host>\[[0-9a-fA-F:]+\]|[^:\s]+):(?<port>\d{1,5})$/;

function parseAddress(text: string, context: z.RefinementCtx): ListenAddress {
  const groups = addressPattern.exec(text)?.groups;
  const port = Number(groups?.["port"]);
  if (!groups?.["host"] || port > 65_535) {
    context.addIssue({ code: "custom", message: `"${text}" is not host:port, for example "127.0.0.1:7410"` });
    return z.NEVER;
  }
  return { host: groups["host"].replace(/^\[|\]$/g, ""), port };
}

/** `host:port` to listen on; port 0 lets the system choose. */
export const listenAddress = () => z.string().transform(parseAddress);

/** `host:port` of somebody else, kept as text. */
export const hostPort = () => z.string().regex(addressPattern, 'must be host:port, for example "127.0.0.1:7410"');

/** An absolute or relative path; not read here. */
export const filePath = () => z.string().min(1);

/** Path of a file that holds a secret; read once, the last line end removed, wrapped in `Secret`. */
export const secretFile = () =>
  z.string().transform((path, context): Secret => {
    try {
      const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
      if (text !== "") return new Secret(text);
      context.addIssue({ code: "custom", message: `the file ${path} is empty` });
    } catch (error) {
      const reason = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
      context.addIssue({ code: "custom", message: `cannot read the file ${path} (${reason})` });
    }
    return z.NEVER;
  });

/** Whose installation it is. */
export const organisation = () =>
  z
    .string()
    .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "must be lower-case letters, digits and hyphens, at most 63")
    .default("default")
    .meta({ description: "slug of the organisation that this installation serves; part of every fabric's identity" });
