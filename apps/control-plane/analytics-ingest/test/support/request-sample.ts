import { aRequest, type StoredRequest } from "./stored-requests.ts";

const pick = <T>(values: readonly [T, ...T[]], number: number): T => values[number % values.length] ?? values[0];

/** Over four days around the night in which Berlin's clocks go forward; every dimension has several values, and none. */
export const sampleBegin = new Date("2026-03-27T00:00:00Z");
export const sampleEnd = new Date("2026-03-31T00:00:00Z");
const spanMs = sampleEnd.getTime() - sampleBegin.getTime();

/** The same requests every time. */
export function sampleRequests(count: number): readonly StoredRequest[] {
  let state = 12_345;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return Array.from({ length: count }, (_, index) => {
    const api = pick(["orders", "users", "it's; DROP TABLE requests"], next(3));
    const latency_us = 500 + next(200_000);
    return aRequest({
      ts: new Date(sampleBegin.getTime() + next(spanMs)),
      environment: pick(["production", "production", "sandbox"], next(3)),
      api,
      api_version: pick(["v1", "v2"], next(2)),
      application: pick(["", "shop", "mobile", "partner"], next(4)),
      resource_path: pick(["/orders", "/orders/{id}", "/users/{id}"], next(3)),
      verb: pick(["GET", "POST", "DELETE"], next(3)),
      status_code: pick([200, 201, 301, 404, 429, 500, 503, 0], next(8)),
      disposition: pick([1, 1, 1, 2, 3, 4], next(6)),
      violated_policy: pick(["", "", "limit", "quota"], next(4)),
      latency_us,
      upstream_us: pick([0, Math.floor(latency_us / 2)], next(2)),
      request_bytes: next(10_000),
      response_bytes: next(100_000),
      weight: pick([1, 1, 1, 7], next(4)),
      client_ip: pick(["", "192.0.2.1", "192.0.2.2", "2001:db8::1", "fd00::abcd"], next(5)),
      continent: pick(["", "EU", "NA"], next(3)),
      country: pick(["", "DE", "FR", "US"], next(4)),
      city: pick(["", "Berlin", "Besançon"], next(3)),
      postal_code: pick(["", "10115"], next(2)),
      timezone: pick(["", "Europe/Berlin"], next(2)),
      browser: pick(["", "Firefox", "curl"], next(3)),
      user_agent_type: pick(["", "browser", "library"], next(3)),
      user_agent_version: pick(["", "128.0"], next(2)),
      hardware_platform: pick(["", "desktop", "mobile"], next(3)),
      os_family: pick(["", "Linux", "Windows"], next(3)),
      os_major_version: pick(["", "10"], next(2)),
      os_minor_version: pick(["", "4"], next(2)),
      os_version: pick(["", "10.4"], next(2)),
      app: pick(["orders-app", "users-app"], next(2)),
      replica: pick(["", "r-0", "r-1"], next(3)),
      gateway: pick(["gateway-0", "gateway-1"], next(2)),
      fabric_id: pick(["00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"], next(2)),
      sequence: 1 + Math.floor(index / 50),
    });
  });
}
