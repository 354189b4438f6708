import { Disposition } from "@drawbridge/contracts/analytics/v1/request_batch";
import { GeographyDetail } from "@drawbridge/contracts/apis/v1/configuration";
import type { ReportableRequest, ReportedInstance } from "@drawbridge/request-batch";

const apis = 120;
const applications = 800;
const clients = 200_000;
const pathsPerApi = 24;

/** xorshift32: figures are to repeat. */
function randomSource(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const browsers = ["Chrome/131.0.0.0", "Chrome/130.0.0.0", "Firefox/132.0", "Edg/131.0.0.0"];
const systems = [
  "Windows NT 10.0; Win64; x64",
  "Macintosh; Intel Mac OS X 10_15_7",
  "X11; Linux x86_64",
  "Linux; Android 14; Pixel 8",
  "iPhone; CPU iPhone OS 18_1 like Mac OS X",
];
const programs = ["curl/8.9.1", "okhttp/4.12.0", "python-requests/2.32.3", "Go-http-client/2.0", "axios/1.7.7"];
const userAgents = [
  ...browsers.flatMap((browser) => systems.map((system) => `Mozilla/5.0 (${system}) AppleWebKit/537.36 ${browser}`)),
  ...programs,
];

/** Requests of a middle-sized company: few APIs get most of them, nine of ten are answered well. */
export function syntheticRequests(seed: number): (receivedAtMs: number) => ReportableRequest {
  const random = randomSource(seed);
  // Two draws multiplied: the first of a list is asked for far more often than the last.
  const few = (count: number): number => Math.trunc((random(count) * random(count)) / count);
  const instances = Array.from({ length: apis }, (_, index): ReportedInstance => ({
    api: {
      apiId: `01890000-0000-7000-8000-${String(index).padStart(12, "0")}`,
      name: `api-${index}`,
      version: "v1",
      environment: "production",
      app: `app-${index >> 1}`,
      geography: GeographyDetail.GEOGRAPHY_DETAIL_CITY,
    },
    addressDetail: "truncated",
    isUserAgentTold: true,
  }));
  const violated = { policyId: "01890000-0000-7000-8000-00000000000a", name: "rate-limit" };
  return (receivedAtMs) => {
    const api = few(apis);
    const draw = random(1_000);
    const isViolation = draw >= 985;
    const status = draw < 920 ? 200 : draw < 960 ? 404 : draw < 985 ? 500 : 429;
    const client = few(clients);
    const upstreamUs = isViolation ? 0 : 2_000 + random(3_000) + (random(100) === 0 ? random(900_000) : random(20_000));
    return {
      receivedAtMs,
      instance: instances[api] ?? (instances[0] as ReportedInstance), // an index below their number
      application: `client-${few(applications)}`,
      resourcePath: `/orders-${few(pathsPerApi)}/{id}`,
      verb: random(4) === 0 ? "POST" : "GET",
      status,
      disposition: isViolation ? Disposition.DISPOSITION_POLICY_VIOLATION : Disposition.DISPOSITION_PROCESSED,
      policy: isViolation ? violated : undefined,
      latencyUs: upstreamUs + 200 + random(400),
      upstreamUs,
      requestBytes: random(2_000),
      responseBytes: 200 + random(20_000),
      clientAddress: `${10 + (client >> 14)}.${(client >> 6) & 255}.${client & 255}.7`,
      userAgent: userAgents[few(userAgents.length)] ?? "",
      replica: isViolation ? "" : `r${random(4)}`,
    };
  };
}
