import type { PolicyType } from "./policy-type.ts";
import { basicAuthentication } from "./types/basic-authentication/basic-authentication.ts";
import { circuitBreaker } from "./types/circuit-breaker/circuit-breaker.ts";
import { clientIdEnforcement } from "./types/client-id-enforcement/client-id-enforcement.ts";
import { cors } from "./types/cors/cors.ts";
import { custom } from "./types/custom/custom.ts";
import { headerInjection } from "./types/header-injection/header-injection.ts";
import { headerRemoval } from "./types/header-removal/header-removal.ts";
import { httpCaching } from "./types/http-caching/http-caching.ts";
import { ipAllowList, ipBlockList } from "./types/ip-lists/ip-lists.ts";
import { jsonThreatProtection } from "./types/json-threat-protection/json-threat-protection.ts";
import { jwtValidation } from "./types/jwt-validation/jwt-validation.ts";
import { messageLogging } from "./types/message-logging/message-logging.ts";
import { oauth2Introspection } from "./types/oauth2-introspection/oauth2-introspection.ts";
import { openidConnect } from "./types/openid-connect/openid-connect.ts";
import { quota } from "./types/quota/quota.ts";
import { rateLimiting } from "./types/rate-limiting/rate-limiting.ts";
import { requestSizeLimit } from "./types/request-size-limit/request-size-limit.ts";
import { retry } from "./types/retry/retry.ts";
import { slaRateLimiting } from "./types/sla-rate-limiting/sla-rate-limiting.ts";
import { spikeControl } from "./types/spike-control/spike-control.ts";
import { timeout } from "./types/timeout/timeout.ts";
import { xmlThreatProtection } from "./types/xml-threat-protection/xml-threat-protection.ts";

/** Every policy type that there is, in the order in which operators see them. */
const policyTypes: readonly PolicyType[] = [
  cors,
  clientIdEnforcement,
  basicAuthentication,
  jwtValidation,
  oauth2Introspection,
  openidConnect,
  ipAllowList,
  ipBlockList,
  requestSizeLimit,
  jsonThreatProtection,
  xmlThreatProtection,
  rateLimiting,
  slaRateLimiting,
  spikeControl,
  quota,
  httpCaching,
  retry,
  circuitBreaker,
  timeout,
  headerInjection,
  headerRemoval,
  messageLogging,
  custom,
];

/** By type name. */
export const policyCatalogue: ReadonlyMap<string, PolicyType> = new Map(policyTypes.map((type) => [type.type, type]));
