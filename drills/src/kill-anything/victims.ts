import type { TestStack } from "@drawbridge/local/testing";
import { gatewayOf } from "../gatekeeper-matrix/gateway.ts";

export const victims = [
  "cert-authority",
  "activation",
  "runtime-manager",
  "config-resolver",
  "api-manager",
  "monitoring-ingest",
  "alerting",
  "management-api",
  "agent",
  "gateway",
  "NATS",
  "PostgreSQL",
] as const;

/** `kill -9`, start again. Seconds until it is ready. */
export async function breakSomething(stack: TestStack, victim: (typeof victims)[number]): Promise<number> {
  const startedAtMs = performance.now();
  if (victim === "NATS" || victim === "PostgreSQL") {
    const store = victim === "NATS" ? stack.stack.backing.nats : stack.stack.backing.postgres;
    await store.kill();
    await store.start();
  } else if (victim === "gateway") {
    await gatewayOf(stack).kill();
  } else {
    const service = stack.stack.service(victim);
    await service.kill();
    service.start();
    await service.waitReady();
  }
  return (performance.now() - startedAtMs) / 1000;
}
