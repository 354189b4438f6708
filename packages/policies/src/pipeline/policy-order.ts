import type { Policy } from "@drawbridge/contracts/apis/v1/configuration";
import { policyCatalogue } from "../catalogue.ts";

/**
 * The order in which policies see a request: those whose type comes first (CORS), then automated ones, then the API's own,
 * each by `order`, then those whose type comes last (HTTP caching). Responses pass them in reverse.
 */
export function inOrder<P extends Pick<Policy, "type" | "automated" | "order">>(policies: readonly P[]): readonly P[] {
  return policies.toSorted((one, other) => rank(one) - rank(other) || one.order - other.order);
}

function rank({ type, automated }: Pick<Policy, "type" | "automated">): number {
  const position = policyCatalogue.get(type)?.position;
  if (position === "first") return 0;
  if (position === "last") return 3;
  return automated ? 1 : 2;
}
