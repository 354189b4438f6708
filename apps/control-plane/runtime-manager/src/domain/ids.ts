/** Ids as the database and the wire write them: lower-case UUIDs, branded so that one cannot stand for another. */
export type FabricId = string & { readonly brand: "FabricId" };
export type AgentId = string & { readonly brand: "AgentId" };
export type AppId = string & { readonly brand: "AppId" };
export type SessionId = string & { readonly brand: "SessionId" };

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return uuidPattern.test(text);
}

// The brands exist only for the type checker; these four are the one place that gives them.
export const fabricId = (id: string): FabricId => id as FabricId;
export const agentId = (id: string): AgentId => id as AgentId;
export const appId = (id: string): AppId => id as AppId;
export const sessionId = (id: string): SessionId => id as SessionId;
