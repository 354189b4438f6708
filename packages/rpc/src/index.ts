export { createTokenBucket, type AdmissionLimits, type TokenBucket } from "./admission.ts";
export type { CallerPattern } from "./caller.ts";
export {
  createConfirmFabricDeletion,
  type ConfirmFabricDeletion,
  type ConfirmFabricDeletionDeps,
  type SaidDeletion,
} from "./confirm-fabric-deletion.ts";
export { grpcStatusOf, httpStatusOf } from "./error-status.ts";
export {
  createGrpcClient,
  type CallOptions,
  type GrpcCalls,
  type GrpcClient,
  type GrpcClientOptions,
} from "./grpc-client.ts";
export type { ProxySettings } from "./grpc-channel.ts";
export { fromGrpcError, toGrpcStatus } from "./grpc-error.ts";
export { undegraded } from "./grpc-health.ts";
export { createGrpcServer, type GrpcServer, type GrpcServerOptions } from "./grpc-server.ts";
export { defineGrpcService, type CallContext, type GrpcServiceDefinition, type HandlerOf } from "./grpc-service.ts";
export type { ClientCertificate, Connection, ListenAddress, ProxyNetworks } from "./listener.ts";
export { createUnixGrpcServer, type UnixGrpcServerOptions } from "./unix-grpc-server.ts";
export { fieldDetail, problemContentType, toProblem, type Problem } from "./problem.ts";
export { toPublicError } from "./public-error.ts";
export {
  createHttpServer,
  httpContext,
  type HttpContext,
  type HttpServer,
  type HttpServerOptions,
} from "./http-server.ts";
export type { Exchange, ExchangeAnswer } from "./exchange/exchange.ts";
export { createExchangeServer, type ExchangeServer, type ExchangeServerOptions } from "./exchange/exchange-server.ts";
export { createOpsServer, listening, registerProbes, type OpsServerOptions } from "./ops-server.ts";
export { observeIdentity } from "./identity-metrics.ts";
export { createServiceIdentity, type ServiceIdentity, type ServiceIdentityOptions } from "./service-identity.ts";
export { pageSize, readPageToken, writePageToken } from "./page-token.ts";
export type { OnRevoked } from "./connection-watch.ts";
export type { RevocationCheck } from "./revocation-check.ts";
export {
  createRevocationList,
  type RevocationList,
  type RevocationListOptions,
  type RevocationNews,
} from "./revocation-list.ts";
export { largestAnswerBytes } from "./largest-answer.ts";
