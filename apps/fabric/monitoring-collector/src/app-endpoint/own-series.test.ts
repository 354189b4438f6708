import { expect, test } from "vitest";
import { ownSeries, wantedNames } from "./own-series.ts";
import { readExposition } from "./read-exposition.ts";

function read(text: string, names: readonly string[] = []) {
  return ownSeries(readExposition(text, wantedNames(names)), names);
}

test("takes requests and the process as Prometheus' text format 0.0.4 tells them, added up but for method and class (MON, META 3)", () => {
  const text = `# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200",path="/orders/4711"} 1027 1395066363000
http_requests_total{method="post",code="201",path="/orders/4712"} 3
http_requests_total{method="post",code="503"}   1
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 1.5e+07
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320
`;
  expect(read(text)).toEqual([
    { name: "http_requests_total", kind: "counter", method: "POST", status: "2xx", value: 1030, count: 0 },
    { name: "http_requests_total", kind: "counter", method: "POST", status: "5xx", value: 1, count: 0 },
    { name: "process_resident_memory_bytes", kind: "gauge", method: "", status: "", value: 15_000_000, count: 0 },
    { name: "http_request_duration_seconds", kind: "histogram", method: "", status: "", value: 53_423, count: 144_320 },
  ]);
});

test("takes OpenMetrics, with exemplars, and metrics that the manifest names", () => {
  const text = `# TYPE orders_placed counter
# UNIT orders_placed orders
orders_placed_total{tenant="acme"} 17.0 1520879607.789 # {trace_id="KOO5S4vxi0o"} 0.67
orders_placed_created{tenant="acme"} 1520430000.123
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",le="+Inf"} 4 # {trace_id="a"} 1
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200"} 4
http_server_request_duration_seconds_sum{http_request_method="GET",http_response_status_code="200"} 0.5
# EOF
`;
  expect(read(text, ["orders_placed_total"])).toEqual([
    { name: "orders_placed_total", kind: "counter", method: "", status: "", value: 17, count: 0 },
    {
      name: "http_server_request_duration_seconds",
      kind: "histogram",
      method: "GET",
      status: "2xx",
      value: 0.5,
      count: 4,
    },
  ]);
});

test("no text of an app's own gets further, whatever its labels hold (META 3)", () => {
  const canary = "canary-4711";
  const text = `# TYPE http_requests_total counter
http_requests_total{method="${canary}",status="${canary}",email="${canary}"} 1
http_requests_total{method="GET",status="200 ${canary}"} 1
${canary}_total 5
# TYPE process_open_fds ${canary}
process_open_fds{a="\\"} 5"} 7
`;
  const series = read(text);
  expect(JSON.stringify(series)).not.toContain(canary);
  expect(series.map(({ method, status, value }) => [method, status, value])).toEqual([
    ["_OTHER", "", 1],
    ["GET", "", 1],
    ["", "", 7],
  ]);
});

test("lines that are none are passed over, and no number becomes one", () => {
  const text = `http_requests_total{method="GET" 1
http_requests_total{method="GET",,} 1
http_requests_total
http_requests_total NaN
http_requests_total +Inf
http_requests_total -1
http_requests_total 9e300
process_open_fds -3
`;
  expect(read(text)).toEqual([
    { name: "process_open_fds", kind: "gauge", method: "", status: "", value: -3, count: 0 },
  ]);
});

test("what an app may tell is bounded: series of a replica, lines, length of a line", () => {
  const names = Array.from({ length: 20 }, (_, index) => `own_${index}_total`);
  const statuses = ["100", "200", "300", "400", "500"];
  const lines = names.flatMap((name) =>
    ["GET", "PUT", "x"].flatMap((method) => statuses.map((code) => `${name}{method="${method}",code="${code}"} 1`)),
  );
  expect(read(lines.join("\n"), names)).toHaveLength(100);
  expect(readExposition("process_open_fds 1\n".repeat(30_000), () => true).samples).toHaveLength(20_000);
  expect(read(`process_open_fds{a="${"x".repeat(10_000)}"} 1\n`)).toEqual([]);
});
