/** What a program that asks is. */
type ProgramKind = "library" | "bot" | "other";

/**
 * Programs that name themselves as `token/version` and are no browsers, by the token in lower case. A closed list: a name that
 * a client made up is not kept.
 */
const programs: Readonly<Record<ProgramKind, readonly string[]>> = {
  library: [
    "AHC",
    "aiohttp",
    "akka-http",
    "Apache-HttpAsyncClient",
    "Apache-HttpClient",
    "axios",
    "Boto3",
    "Bun",
    "CFNetwork",
    "curl",
    "Dalvik",
    "Dart",
    "Deno",
    "Faraday",
    "Feign",
    "Go-http-client",
    "got",
    "grpc-go",
    "grpc-java",
    "grpc-node-js",
    "grpc-python",
    "GuzzleHttp",
    "hackney",
    "http.rb",
    "HTTPie",
    "Java",
    "Java-http-client",
    "Jersey",
    "ktor-client",
    "libcurl",
    "libwww-perl",
    "node",
    "node-fetch",
    "okhttp",
    "PHP",
    "PowerShell",
    "Python",
    "python-httpx",
    "python-requests",
    "Python-urllib",
    "ReactorNetty",
    "reqwest",
    "rest-client",
    "RestSharp",
    "Ruby",
    "superagent",
    "undici",
    "urllib3",
    "Vert.x-WebClient",
    "Wget",
    "Wget2",
  ],
  bot: [
    "Blackbox-Exporter",
    "ELB-HealthChecker",
    "GoogleHC",
    "HAProxy",
    "kube-probe",
    "Prometheus",
    "UptimeRobot",
    "Zabbix",
  ],
  other: [
    "ApacheBench",
    "bruno-runtime",
    "Fortio",
    "hey",
    "insomnia",
    "Jmeter",
    "k6",
    "oha",
    "PostmanRuntime",
    "SoapUI",
    "vegeta",
  ],
};

const byToken = new Map(
  Object.entries(programs).flatMap(([kind, names]) =>
    // The keys are those of the table above.
    names.map((name) => [name.toLowerCase(), { name, kind: kind as ProgramKind }] as const),
  ),
);

/** `name/version` at the beginning, as in `okhttp/4.12.0` and `Apache-HttpClient/4.5.14 (Java/17.0.9)`; also the name alone. */
const form = /^([A-Za-z][A-Za-z0-9.-]{1,39})(?:\/v?(\d[\d.]*))?(?=$|[ ;(/_-])/;

export function knownProgramOf(
  userAgent: string,
): { readonly name: string; readonly kind: ProgramKind; readonly version: string } | undefined {
  const [, token = "", version = ""] = form.exec(userAgent) ?? [];
  const known = byToken.get(token.toLowerCase());
  return known === undefined ? undefined : { ...known, version };
}
