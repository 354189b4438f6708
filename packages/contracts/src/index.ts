// Generated contracts have one door per proto file: "@drawbridge/contracts/tunnel/v1/tunnel_service".
// This door holds what belongs to all of them: the facts announced on NATS.
export { eventCodecs, eventSubject, type EventEnvelope, type EventPayload, type EventType } from "./events.ts";
