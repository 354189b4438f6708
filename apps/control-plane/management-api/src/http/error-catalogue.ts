import type { ErrorKind } from "@drawbridge/errors";

interface ErrorEntry {
  readonly kind: ErrorKind;
  /** Raised here; others come from other services and packages and pass through. */
  readonly ours?: true;
  /** HTTP status where it is not the kind's own. */
  readonly status?: number;
  /** One sentence for the OpenAPI document and docs/errors.md. */
  readonly meaning: string;
}

/** Every code that a route can answer with. */
const errors = {
  REQUEST_INVALID: {
    kind: "invalid_argument",
    ours: true,
    meaning: "a part of the request is not valid; `errors` names each field",
  },
  LOGIN_REQUIRED: { kind: "unauthenticated", ours: true, meaning: "the request has no access token" },
  LOGIN_FAILED: { kind: "unauthenticated", ours: true, meaning: "user name or password is wrong" },
  LOGIN_THROTTLED: {
    kind: "resource_exhausted",
    ours: true,
    meaning: "too many failed logins of this user or from this address",
  },
  LOGIN_OVERLOADED: { kind: "resource_exhausted", ours: true, meaning: "too many logins at once" },
  ACCESS_TOKEN_INVALID: { kind: "unauthenticated", ours: true, meaning: "the access token is not one of ours" },
  ACCESS_TOKEN_EXPIRED: { kind: "unauthenticated", ours: true, meaning: "the access token has expired" },
  ACCESS_TOKEN_REVOKED: { kind: "unauthenticated", ours: true, meaning: "the access token was revoked" },
  ACCESS_TOKEN_NOT_FOUND: {
    kind: "not_found",
    ours: true,
    meaning: "there is no such API token, or it is somebody else's",
  },
  SESSION_REQUIRED: { kind: "permission_denied", ours: true, meaning: "this needs a login; an API token cannot do it" },
  PERMISSION_DENIED: { kind: "permission_denied", ours: true, meaning: "the caller's roles do not allow this" },
  RATE_LIMITED: {
    kind: "resource_exhausted",
    ours: true,
    meaning: "too many requests by this token or from this address",
  },
  USER_EXISTS: { kind: "already_exists", ours: true, meaning: "there is already a user of this name" },
  USER_NOT_FOUND: { kind: "not_found", ours: true, meaning: "there is no such user" },
  LAST_ADMINISTRATOR: {
    kind: "failed_precondition",
    ours: true,
    meaning: "this would leave nobody who is administrator of everything",
  },
  ENVIRONMENT_EXISTS: { kind: "already_exists", ours: true, meaning: "there is already an environment of this name" },
  ENVIRONMENT_NOT_FOUND: { kind: "not_found", ours: true, meaning: "there is no such environment" },
  TOO_MANY_ENVIRONMENTS: { kind: "failed_precondition", ours: true, meaning: "the limit of environments is reached" },
  APP_NAME_MISMATCH: {
    kind: "invalid_argument",
    ours: true,
    meaning: "the path names another app than the bundle's manifest",
  },
  CONFIGURATION_INVALID: {
    kind: "invalid_argument",
    ours: true,
    meaning: "the properties do not fit the manifest; `errors` names each",
  },
  CONFIGURATION_REQUIRED: {
    kind: "failed_precondition",
    ours: true,
    meaning: "the new version declares other properties, so that the earlier values cannot be kept",
  },
  REQUEST_ID_REUSED: {
    kind: "already_exists",
    ours: true,
    meaning: "the Idempotency-Key was used for another request, or for one whose secret cannot be shown again",
  },
  FABRIC_NOT_ACTIVATED: {
    kind: "failed_precondition",
    ours: true,
    meaning: "no agent of the fabric has connected yet, so that there is nothing to recover",
  },
  PEER_UNAVAILABLE: {
    kind: "unavailable",
    ours: true,
    meaning: "another service of the control plane cannot be reached",
  },
  ROUTE_NOT_FOUND: { kind: "not_found", meaning: "there is no such path" },
  BODY_MALFORMED: { kind: "invalid_argument", meaning: "the body is not JSON, or cut short" },
  BODY_TOO_LARGE: { kind: "invalid_argument", status: 413, meaning: "the body is larger than 1 MiB" },
  MEDIA_TYPE_UNSUPPORTED: {
    kind: "invalid_argument",
    status: 415,
    meaning: "the route does not take this content type",
  },
  STORE_UNAVAILABLE: { kind: "unavailable", meaning: "the database cannot be reached" },
  STORE_FAILED: { kind: "internal", meaning: "the database refused a statement: a bug on our side" },
  STORE_CONFLICT: { kind: "aborted", meaning: "another transaction was faster; repeat the request" },
  STORE_TIMEOUT: { kind: "deadline_exceeded", meaning: "the database took too long" },
  CALL_CANCELLED: { kind: "cancelled", meaning: "the caller hung up" },
  DEADLINE_EXCEEDED: { kind: "deadline_exceeded", meaning: "another service did not answer in time" },
  PEER_FAILED: { kind: "internal", meaning: "another service failed" },
  INTERNAL: { kind: "internal", meaning: "a bug on our side; the log has the details" },
  FABRIC_NOT_FOUND: { kind: "not_found", meaning: "there is no such fabric" },
  FABRIC_DELETED: { kind: "failed_precondition", meaning: "the fabric was deleted" },
  AGENT_UNKNOWN: { kind: "not_found", meaning: "there is no record of this agent's recovery key" },
  CERTIFICATE_NOT_FOUND: { kind: "not_found", meaning: "the authority has not issued such a certificate" },
  ROTATION_IN_PROGRESS: { kind: "failed_precondition", meaning: "the root is being rotated already" },
  ROTATION_NOT_STARTED: { kind: "failed_precondition", meaning: "no rotation of the root is in progress" },
  ROTATION_PHASE_CHANGED: { kind: "failed_precondition", meaning: "the rotation is in another phase by now" },
  ROTATION_NOT_ACKNOWLEDGED: {
    kind: "failed_precondition",
    meaning: "somebody live has not followed yet; the message names them, and `force` strands them",
  },
  ROTATION_FOLLOWERS_UNKNOWN: {
    kind: "unavailable",
    meaning: "runtime-manager does not say which agents have followed, so that nobody could say whom it strands",
  },
  RECOVERY_UNAVAILABLE: { kind: "unavailable", meaning: "the recovery records, or runtime-manager, are away" },
  FABRIC_NAME_INVALID: { kind: "invalid_argument", meaning: "the fabric's name is not valid" },
  GATEKEEPER_INVALID: {
    kind: "invalid_argument",
    meaning: "the gatekeeper level is none, or not valid for the runtime version of an app that it would count for",
  },
  CLOCK_LIMITS_INVALID: {
    kind: "invalid_argument",
    meaning: "limits for the skew of a fabric's clock are out of range, or failing begins before warning",
  },
  FABRIC_HAS_APPS: {
    kind: "failed_precondition",
    meaning: "apps are deployed to the fabric; `force=true` deletes it all the same",
  },
  FABRIC_NOT_CONNECTED: { kind: "unavailable", meaning: "the fabric's tunnel is down" },
  APP_NOT_FOUND: { kind: "not_found", meaning: "there is no such app" },
  APP_NAME_INVALID: { kind: "invalid_argument", meaning: "the app's name is not valid" },
  APP_ON_OTHER_FABRIC: { kind: "failed_precondition", meaning: "the app is deployed to another fabric" },
  ENVIRONMENT_NOT_ON_FABRIC: {
    kind: "failed_precondition",
    meaning: "the fabric does not run apps of this environment",
  },
  PUBLIC_PORT_TAKEN: { kind: "already_exists", meaning: "another app of the fabric has this port" },
  ROUTE_INVALID: {
    kind: "invalid_argument",
    meaning: "a host or path of the app is none; the message says which and why",
  },
  ROUTE_TAKEN: {
    kind: "already_exists",
    meaning:
      "another app of the fabric has this host and path, or one of another environment would lose requests; the message names it",
  },
  REPLICAS_OUT_OF_RANGE: { kind: "invalid_argument", meaning: "replicas must be 0 to 100" },
  NO_SERVED_REVISION: {
    kind: "failed_precondition",
    meaning: "no earlier revision with other content ever served; the message names those that there are",
  },
  REVISION_NOT_FOUND: { kind: "not_found", meaning: "there is no such revision" },
  LOGS_NOT_ALLOWED: { kind: "permission_denied", meaning: "the fabric's owner does not allow operators to read logs" },
  ACTIVATION_TOKEN_NOT_FOUND: { kind: "not_found", meaning: "there is no such activation token" },
  ACTIVATION_TOKEN_USED: { kind: "failed_precondition", meaning: "the activation token was redeemed" },
  ACTIVATION_TOKEN_REVOKED: { kind: "failed_precondition", meaning: "the activation token was revoked" },
  ACTIVATION_TOKEN_EXPIRED: { kind: "failed_precondition", meaning: "the activation token has expired" },
  ACTIVATION_APPLICANT_NOT_FOUND: { kind: "not_found", meaning: "no agent with this key asked with the token" },
  ACTIVATION_APPROVAL_NOT_NEEDED: { kind: "failed_precondition", meaning: "the activation token needs no approval" },
  ACTIVATION_APPROVAL_BY_CREATOR: {
    kind: "permission_denied",
    meaning: "who made the token may not approve its agent",
  },
  ACTIVATION_APPROVED_ALREADY: { kind: "failed_precondition", meaning: "another agent was approved for the token" },
  TOKEN_TTL_OUT_OF_RANGE: { kind: "invalid_argument", meaning: "an activation token lives 300 to 86400 seconds" },
  FABRIC_FULL: { kind: "resource_exhausted", meaning: "the fabric has as many apps as one may have" },
  FABRIC_ENVIRONMENTS_INVALID: {
    kind: "invalid_argument",
    meaning: "a fabric runs at least one and not so many environments",
  },
  PAGE_TOKEN_INVALID: { kind: "invalid_argument", meaning: "pageToken is not the nextPageToken of an earlier answer" },
  LOGS_BUSY: { kind: "resource_exhausted", meaning: "too many log streams of this fabric are open" },
  LOGS_FAILED: { kind: "unavailable", meaning: "the agent could not read the logs" },
  LOGS_OVERLOADED: { kind: "resource_exhausted", meaning: "the agent serves as many log streams as it can" },
  LOGS_TOO_SLOW: { kind: "resource_exhausted", meaning: "the lines came faster than they were read" },
  UPLOAD_OFFSET_MISMATCH: {
    kind: "failed_precondition",
    meaning: "the upload goes on at another byte; `details.offset` says where",
  },
  UPLOAD_TOO_LONG: { kind: "invalid_argument", meaning: "there are more bytes than Upload-Length says" },
  UPLOAD_INTERRUPTED: { kind: "cancelled", meaning: "the upload broke off; what arrived is kept" },
  BUNDLE_DIGEST_MISMATCH: { kind: "invalid_argument", meaning: "the bytes have another digest" },
  BUNDLE_MALFORMED: { kind: "invalid_argument", meaning: "the bundle is no .tgz that we take" },
  BUNDLE_MANIFEST_MISSING: { kind: "invalid_argument", meaning: "the bundle has no drawbridge.yaml at its root" },
  BUNDLE_PATH_TRAVERSAL: { kind: "invalid_argument", meaning: "a path in the bundle leads out of it" },
  BUNDLE_TOO_LARGE: { kind: "invalid_argument", meaning: "the bundle is larger than one may be, packed or unpacked" },
  MANIFEST_INVALID: {
    kind: "invalid_argument",
    meaning: "drawbridge.yaml has errors; each is named with line and field",
  },
  DISK_FULL: { kind: "resource_exhausted", status: 507, meaning: "the bundle store is full" },
  BUNDLE_NOT_FOUND: { kind: "not_found", meaning: "there is no bundle with this digest; upload it first" },
  CONFIGURATION_TOO_LARGE: { kind: "invalid_argument", meaning: "a configuration may have 1 MiB" },
  API_NOT_FOUND: { kind: "not_found", meaning: "there is no API of this name and version in the environment" },
  API_ALREADY_EXISTS: {
    kind: "already_exists",
    meaning: "there is an API of this name and version in the environment",
  },
  API_INVALID: {
    kind: "invalid_argument",
    meaning: "name, version, description or routes are not valid; `errors` names each",
  },
  API_BOUND: {
    kind: "failed_precondition",
    meaning: "apps are bound to the API; `force=true` deletes it all the same",
  },
  ALERTS_NOT_INSTALLED: {
    kind: "unimplemented",
    ours: true,
    meaning: "this control plane has no alerts: the service alerting is not installed",
  },
  ALERT_RULES_INVALID: {
    kind: "invalid_argument",
    meaning: "the rules cannot be applied; `errors` names each field, nothing was changed",
  },
  ALERT_RULES_CHANGED: { kind: "aborted", meaning: "somebody applied rules since the version that was named" },
  ALERT_RULES_UNREADABLE: { kind: "failed_precondition", meaning: "a newer version of Drawbridge wrote these rules" },
  ALERT_RULE_NOT_FOUND: { kind: "not_found", meaning: "there is no alert rule of this name in the environment" },
  ALERT_SILENCE_INVALID: { kind: "invalid_argument", meaning: "the silence is not valid; `errors` names each field" },
  ALERT_SILENCE_NOT_FOUND: { kind: "not_found", meaning: "there is no silence of this id in the environment" },
  ALERT_SILENCES_MANY: { kind: "failed_precondition", meaning: "200 silences of the environment are in force already" },
  ALERT_RECEIVER_NOT_FOUND: {
    kind: "not_found",
    meaning: "there is no receiver of this name that the environment may use",
  },
  ALERT_RECEIVER_BUSY: { kind: "resource_exhausted", meaning: "the receiver was tested a moment ago" },
  ANALYTICS_NOT_KEPT: {
    kind: "unimplemented",
    ours: true,
    meaning: "this control plane keeps no analytics: it has no analytics-ingest",
  },
  CAPTURE_INVALID: {
    kind: "invalid_argument",
    meaning: "the capture is not valid; `errors` names each field",
  },
  CAPTURE_NOT_FOUND: { kind: "not_found", ours: true, meaning: "there is no capture with this id in this environment" },
  CAPTURES_TOO_MANY: { kind: "failed_precondition", meaning: "five captures of the API run already" },
  ANALYTICS_QUERY_INVALID: {
    kind: "invalid_argument",
    meaning: "the question is not valid; `errors` names each field",
  },
  MONITORING_NOT_INSTALLED: {
    kind: "unimplemented",
    ours: true,
    meaning: "this control plane keeps no metrics: it has no monitoring-ingest",
  },
  MONITORING_QUERY_INVALID: {
    kind: "invalid_argument",
    meaning: "the time or step of the question is not valid; `errors` names the field",
  },
  COLUMNAR_QUERY_TIMEOUT: { kind: "deadline_exceeded", meaning: "the question took longer than it may; narrow it" },
  COLUMNAR_QUERY_LIMIT: {
    kind: "out_of_range",
    meaning: "the question needs more memory, or answers more rows, than it may; narrow it",
  },
  COLUMNAR_OVERLOADED: { kind: "resource_exhausted", meaning: "as many questions as may are being answered" },
  COLUMNAR_UNAVAILABLE: { kind: "unavailable", meaning: "the columnar store cannot be reached" },
  COLUMNAR_FAILED: { kind: "internal", meaning: "the columnar store refused a statement: a bug on our side" },
  DEAD_LETTER_UNKNOWN: { kind: "not_found", meaning: "there is no dead letter with one of these numbers" },
  ANALYTICS_SETTINGS_INVALID: {
    kind: "invalid_argument",
    meaning: "the analytics settings are not valid; `errors` names each field",
  },
  OPENAPI_INVALID: { kind: "invalid_argument", meaning: "the document is no OpenAPI 3 document of at most 1 MiB" },
  POLICY_NOT_FOUND: { kind: "not_found", meaning: "there is no policy of this name" },
  POLICY_TYPE_UNKNOWN: { kind: "invalid_argument", meaning: "there is no policy type of this name" },
  POLICY_TYPE_FIXED: { kind: "failed_precondition", meaning: "a policy of this name has another type" },
  POLICY_INVALID: {
    kind: "invalid_argument",
    meaning: "the policy cannot be enforced as it is; `errors` names each field, nothing was changed",
  },
  POLICY_CHANGED: { kind: "aborted", meaning: "somebody changed the policy since it was read" },
  POLICY_ORDER_INVALID: { kind: "invalid_argument", meaning: "a new order names each policy once" },
  CLIENT_NOT_FOUND: { kind: "not_found", meaning: "there is no client application with this id or name" },
  CLIENT_ALREADY_EXISTS: { kind: "already_exists", meaning: "there is a client application of this name" },
  CLIENT_INVALID: { kind: "invalid_argument", meaning: "name or description is not valid; `errors` names each" },
  CLIENT_REVOKED: { kind: "failed_precondition", meaning: "the client application was revoked, for ever" },
  CLIENT_SECRETS_MANY: {
    kind: "failed_precondition",
    meaning: "five secrets of the client application are valid already",
  },
  TIER_IN_USE: {
    kind: "failed_precondition",
    meaning: "contracts ask for the tier or have it in force; the detail names them",
  },
  TIER_NOT_FOUND: { kind: "not_found", meaning: "the API has no tier of this name" },
  TIER_INVALID: { kind: "invalid_argument", meaning: "name or limits of the tier are not valid; `errors` names each" },
  TIER_REQUIRED: { kind: "invalid_argument", meaning: "the API has tiers, so that a contract names one" },
  CONTRACT_NOT_FOUND: { kind: "not_found", meaning: "there is no contract with this id in the environment" },
  CONTRACT_ALREADY_EXISTS: {
    kind: "already_exists",
    meaning: "the client application has a contract with the API, or has requested one",
  },
  CONTRACT_STATE: {
    kind: "failed_precondition",
    meaning: "this cannot be decided of a contract in its state; `details.state` names it",
  },
} satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errors;

export const errorCatalogue: Readonly<Record<ErrorCode, ErrorEntry>> = errors;
