import { Command, InvalidArgumentError } from "commander";
import { DrawbridgeError } from "@drawbridge/errors";
import { authoritySchema, type Certificate, certificateSchema, revokedSchema } from "../api/authority-types.ts";
import type { ApiClient } from "../api/client.ts";
import { listUpTo } from "../api/paging.ts";
import { type CommandWorld, outputOf, type OutputOptions, withApi } from "../command-context.ts";
import { formatInstant, shortDistance } from "../output/format-instant.ts";
import type { Output } from "../output/output.ts";
import { outputOption, wholeNumber } from "./options.ts";

interface ListOptions extends OutputOptions {
  readonly fabric?: string;
  readonly all?: boolean;
  readonly limit: number;
}

interface RevokeOptions extends OutputOptions {
  readonly fingerprint?: string;
  readonly reason: string;
}

const defaultLimit = 500;
const mostCertificates = 100_000;

export function certCommand(world: CommandWorld): Command {
  const cert = new Command("cert").description("certificates of fabrics and of the control plane's services");
  cert
    .command("list")
    .description("list certificates, newest first")
    .option("--fabric <name>", "only this fabric's")
    .option("--all", "expired ones too")
    .option("--limit <number>", "the newest so many", wholeNumber(1, mostCertificates), defaultLimit)
    .addOption(outputOption())
    .action((options: ListOptions) => withApi(world, (api) => list(world, api, options)));
  cert
    .command("show")
    .description("show one certificate")
    .argument("<serial>", "serial number, hex")
    .addOption(outputOption())
    .action((serial: string, options: OutputOptions) =>
      withApi(world, async (api) => {
        const found = await api.call(certificatePath(serial), certificateSchema);
        const caOf = await issuersOf(api, [found]);
        show(outputOf(world, options), found, { ca: caOf(found.issuerId), now: world.clock.now(), json: found });
      }),
    );
  cert
    .command("revoke")
    .description("revoke a certificate for ever: it is refused everywhere within seconds, and its connections are cut")
    .argument("[serial]", "serial number, hex, from list")
    .option("--fingerprint <sha256:hex>", "SHA-256 of the certificate, instead of its serial number", fingerprint)
    .requiredOption("--reason <text>", "why, for the record; 1 to 200 characters")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nOf an agent's certificate: its tunnel is cut and it is refused; its apps go on. It does not come back by itself:\n  drawbridge fabric recover <fabric> --allow       lets it back with its recovery key\n  drawbridge fabric recover <fabric> --new-token   if somebody else may have its disk: makes it worthless",
    )
    .action((serial: string | undefined, options: RevokeOptions) =>
      withApi(world, (api) => revoke(world, api, serial, options)),
    );
  return cert;
}

async function list(world: CommandWorld, api: ApiClient, options: ListOptions): Promise<void> {
  const query = { fabric: options.fabric, all: options.all };
  const { items, isCut } = await listUpTo(api, "/v1/certificates", certificateSchema, { query, limit: options.limit });
  const output = outputOf(world, options);
  const now = world.clock.now();
  const issuers = [...new Set(items.map(({ issuerId }) => issuerId))];
  // The serial number is what the other verbs take: as a number it is never cut.
  output.list(
    [
      { title: "SUBJECT", value: (row) => row.subject },
      { title: "STATE", value: (row) => row.state },
      { title: "EXPIRES", value: (row) => shortDistance(row.notAfter, now) },
      { title: "RENEWS", value: (row) => renewal(row, now) },
      { title: "CA", value: (row) => String(issuers.indexOf(row.issuerId) + 1), align: "right" },
      { title: "SERIAL", value: (row) => row.serialNumber, align: "right" },
    ],
    items,
    { empty: "no certificates" },
  );
  if (output.format === "table" && items.length > 0) {
    const caOf = await issuersOf(api, items);
    for (const [index, id] of issuers.entries()) output.note(`CA ${index + 1}: ${caOf(id)}`);
    output.note(
      `times are from ${formatInstant(now.toISOString(), now).replace(" (now)", "")}; "drawbridge cert show <serial>" has them in full`,
    );
  }
  if (isCut) output.note(`these are the newest ${options.limit}; --limit shows more, --fabric fewer`);
}

function renewal(certificate: Certificate, now: Date): string {
  if (certificate.lastRenewalFailure !== "") return "FAILING";
  return certificate.state === "active" || certificate.state === "issued"
    ? shortDistance(certificate.renewAt, now)
    : "-";
}

/** Issuing CAs in words, by id; who may not see the authority gets the ids. */
async function issuersOf(api: ApiClient, certificates: readonly Certificate[]): Promise<(id: string) => string> {
  if (certificates.length === 0) return (id) => id;
  try {
    const { keys } = await api.call("/v1/ca", authoritySchema);
    return (id) => {
      const key = keys.find((one) => one.id === id);
      return key ? `${key.serialNumber} (${key.state})` : id;
    };
  } catch (error) {
    if (error instanceof DrawbridgeError) return (id) => id;
    throw error;
  }
}

function show(
  output: Output,
  certificate: Certificate,
  { ca, now, json }: { readonly ca: string; readonly now: Date; readonly json: unknown },
): void {
  const { revokedAt, revocationReason } = certificate;
  output.fields(
    [
      ["Subject", certificate.subject],
      ["Serial", certificate.serialNumber],
      ["State", certificate.state],
      ["SPIFFE ID", certificate.spiffeId],
      ["Issued", formatInstant(certificate.issuedAt, now)],
      ["First used", certificate.activatedAt ? formatInstant(certificate.activatedAt, now) : "never"],
      ["Expires", formatInstant(certificate.notAfter, now)],
      ["Renews", certificate.renewAt ? formatInstant(certificate.renewAt, now) : "not reported"],
      ...(certificate.lastRenewalFailure === "" ? [] : ([["Last failure", certificate.lastRenewalFailure]] as const)),
      ...(revokedAt ? ([["Revoked", `${formatInstant(revokedAt, now)}: ${revocationReason}`]] as const) : []),
      ["Issuing CA", ca],
      ["Fingerprint", certificate.fingerprintSha256 || "-"],
    ],
    json,
  );
}

async function revoke(
  world: CommandWorld,
  api: ApiClient,
  serial: string | undefined,
  options: RevokeOptions,
): Promise<void> {
  if ((serial === undefined) === (options.fingerprint === undefined)) {
    throw new DrawbridgeError({
      kind: "invalid_argument",
      code: "COMMAND_LINE_INVALID",
      message: "give either a serial number or --fingerprint",
    });
  }
  const output = outputOf(world, options);
  if (serial !== undefined) {
    const { subject } = await api.call(certificatePath(serial), certificateSchema);
    output.note(`revoking the certificate of ${subject}`);
  }
  const answer = await api.call("/v1/certificates/revoke", revokedSchema, {
    method: "POST",
    body: {
      reason: options.reason,
      ...(serial === undefined ? { fingerprintSha256: options.fingerprint } : { serialNumber: serial }),
    },
  });
  const { certificate, revoked } = answer;
  const what = certificate ? `${certificate.serialNumber} of ${certificate.subject}` : (options.fingerprint ?? "");
  const done = revoked.length > 0 || !certificate ? "is revoked" : "was revoked before";
  output.done(`${what} ${done}; every listener refuses it within five seconds`, answer);
  for (const line of consequences(certificate)) output.note(line);
}

function consequences(certificate: Certificate | null): readonly string[] {
  if (!certificate) return ["The authority has no record of it: whoever shows it is refused, whatever name is in it."];
  const fabric = certificate.fabric ?? "<fabric>";
  switch (certificate.kind) {
    case "agent":
      return [
        `The agent of ${fabric} is cut off and refused; its apps go on. It does not come back by itself.`,
        `"drawbridge fabric recover ${fabric} --allow" lets it back with its recovery key. If somebody else may have its disk: "drawbridge fabric recover ${fabric} --new-token" makes the disk worthless.`,
      ];
    case "collector":
      return [
        `Monitoring of ${fabric} pauses until its agent has a new certificate for it, which it asks for by itself.`,
      ];
    case "service":
      return [
        "That replica is refused by the others. It gets a new certificate when the bootstrap job of cert-authority has run and it was restarted: see docs/operations.md.",
      ];
    default:
      return [];
  }
}

function certificatePath(serial: string): string {
  return `/v1/certificates/${encodeURIComponent(serial)}`;
}

function fingerprint(text: string): string {
  const hex = /^(?:sha256:)?((?:[0-9a-f]{2}:?){32})$/i.exec(text)?.[1];
  if (hex === undefined) throw new InvalidArgumentError("give sha256: and 64 hexadecimal digits.");
  return `sha256:${hex.replaceAll(":", "").toLowerCase()}`;
}
