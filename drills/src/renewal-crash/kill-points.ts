import type { KillPoint, Mark } from "./kill-point.ts";

export type Victim = "agent" | "runtime-manager" | "cert-authority";

/** A place in a renewal (design R6) at which one side dies. */
export interface CrashStep {
  readonly victim: Victim;
  /** Of the seven of R6. */
  readonly step: 1 | 2 | 3 | 4 | 5 | 6 | 7;
  /** What is done, and what is not. */
  readonly after: string;
  readonly point: KillPoint;
}

const renamed = (matches: string): Mark => ({ does: "rename", matches });
const requestKey = renamed("/identity/next/renewal/tls\\.key$");
const request = renamed("/identity/next/renewal/request\\.json$");
const newCertificate = renamed("/identity/gen-\\d+/tls\\.crt$");
const newMeta = renamed("/identity/gen-\\d+/meta\\.json$");
const link = renamed("/identity/current$");
const authority = "CertificateAuthorityService";
const issue = `${authority}/IssueFabricCertificate$`;
const activate = `${authority}/ActivateCertificate$`;
const ofAgent = "/fabric/[0-9a-f-]+/agent/";
const recording: Mark = { does: "statement", matches: `insert into "?certificate"? .*${ofAgent}` };
const activating: Mark = { does: "statement", matches: 'update "?certificate"? set "?activated_at"?' };
const committed: Mark = { does: "statement-answered", matches: "^.{0,9}commit" };

/** On both sides of every step. */
export const crashSteps: readonly CrashStep[] = [
  agent(1, "it was due", { marks: [requestKey], when: "before" }),
  agent(2, "the new key is stored, the request is not", { marks: [requestKey], when: "after" }),
  agent(3, "the request is stored, nobody was asked", { marks: [request], when: "after" }),
  agent(3, "the answer came, nothing of it is stored", {
    marks: [request, { does: "mkdir", matches: "/identity/gen-\\d+$" }],
    when: "before",
  }),
  agent(4, "half of the new identity is stored", { marks: [newCertificate], when: "after" }),
  agent(4, "the new identity is stored, but not noted", { marks: [newMeta], when: "after" }),
  agent(4, "the new identity is stored and noted", { marks: [newMeta, request], when: "after" }),
  agent(5, "the second tunnel is being opened", {
    marks: [newMeta, request, { does: "connect", matches: "" }],
    when: "after",
  }),
  agent(6, "the second tunnel is welcomed, the link not switched", { marks: [newMeta, link], when: "before" }),
  agent(7, "the link is switched, the old tunnel still open", { marks: [link], when: "after" }),
  agent(7, "the old tunnel is let go, the request not forgotten", {
    marks: [link, { does: "remove", matches: "/identity/next/renewal$" }],
    when: "before",
  }),
  runtimeManager(3, "it was asked and asked nobody", { marks: [{ does: "call", matches: issue }], when: "before" }),
  runtimeManager(3, "it has the certificate and did not pass it on", {
    marks: [{ does: "answered", matches: issue }],
    when: "before",
  }),
  runtimeManager(6, "the new tunnel said hello, the certificate is not activated", {
    marks: [{ does: "call", matches: activate }],
    when: "before",
  }),
  runtimeManager(6, "the certificate is activated, which is not recorded here", {
    marks: [{ does: "answered", matches: activate }],
    when: "before",
  }),
  runtimeManager(6, "the certificate is recorded, the tunnel not welcomed", {
    marks: [{ does: "statement-answered", matches: 'insert into "certificate"' }],
    when: "before",
  }),
  certAuthority(3, "it was asked and recorded nothing", { marks: [recording], when: "before" }),
  certAuthority(3, "the certificate is written in a transaction that is still open", {
    marks: [recording, { does: "statement", matches: "^.{0,9}commit" }],
    when: "before",
  }),
  certAuthority(3, "the certificate is recorded, the answer not sent", {
    marks: [recording, committed],
    when: "before",
  }),
  certAuthority(6, "it was to activate and recorded nothing", { marks: [activating], when: "before" }),
  certAuthority(6, "the activation is recorded, the answer not sent", {
    marks: [activating, committed],
    when: "before",
  }),
];

function agent(step: CrashStep["step"], after: string, point: KillPoint): CrashStep {
  return { victim: "agent", step, after, point };
}

function runtimeManager(step: CrashStep["step"], after: string, point: KillPoint): CrashStep {
  return { victim: "runtime-manager", step, after, point };
}

function certAuthority(step: CrashStep["step"], after: string, point: KillPoint): CrashStep {
  return { victim: "cert-authority", step, after, point };
}
