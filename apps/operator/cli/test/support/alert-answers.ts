const at = "2026-01-01T00:00:00.000Z";
const page = (item: unknown) => ({ items: [item], nextPageToken: "" });

const alert = {
  incidentId: "i-1",
  environment: "production",
  rule: "apis-fail",
  series: "api=orders",
  state: "firing",
  figure: "error-rate",
  bound: "above 0.05",
  value: 0.123456,
  summary: "Look at the orders first.",
  since: at,
  firedAt: at,
  endedAt: null,
  silenceId: "s-1",
  deliveries: [
    { receiver: "on-call", kind: "firing", state: "waiting", attempts: 2, problem: "it answered 500" },
    { receiver: "team", kind: "firing", state: "delivered", attempts: 1, problem: null },
  ],
};
const rule = {
  name: "apis-fail",
  source: "applied",
  state: "firing",
  since: at,
  value: 0.123456,
  evaluatedAt: at,
  succeededAt: at,
  problem: null,
  firing: 2,
  pending: 1,
  silenceId: null,
  definition: {
    name: "apis-fail",
    analytics: { figure: "error-rate", by: "api" },
    windowSeconds: 300,
    above: 0.05,
    forSeconds: 120,
    summary: "Look at the orders first.",
    receivers: ["on-call", "team"],
  },
  series: [{ series: "api=orders", value: 0.123456 }],
};
const ofFile = { ...rule, name: "memory", source: "file", state: "no data", firing: 0, pending: 0, value: null };
const rules = {
  environment: "production",
  version: 3,
  appliedAt: at,
  appliedBy: "ann",
  fileProblem: null,
  items: [rule, ofFile],
};
const silence = {
  silenceId: "s-1",
  environment: "production",
  rule: "apis-fail",
  series: null,
  reason: "we know",
  createdAt: at,
  createdBy: "ann",
  until: "2126-01-01T00:00:00.000Z",
  endedAt: null,
  endedBy: null,
};
const change = { environment: "production", version: 4, dryRun: false, added: ["apis-fail"], changed: [], removed: [] };

/** What management-api answers about alerts. */
export const alertAnswers: readonly (readonly [RegExp, unknown])[] = [
  [/^GET \/v1\/alerts$/, page(alert)],
  [/^GET .*\/alert-rules$/, rules],
  [/^PUT .*\/alert-rules$/, change],
  [/^GET .*\/alert-rules\//, rule],
  [/^GET .*\/alert-silences$/, page(silence)],
  [/\/alert-silences(\/|$)/, silence],
  [/^GET .*\/alert-receivers$/, page({ name: "on-call", kind: "webhook", target: "hooks.example" })],
  [/^POST .*\/alert-receivers\/.*\/test$/, { receiver: "on-call", delivered: true, problem: null, tookMs: 42 }],
];
