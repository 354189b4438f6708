import type { PolicyType as PolicyTypeProto } from "@drawbridge/contracts/apis/v1/policy_service";
import type { PolicyType } from "@drawbridge/policies";
import { schemaOf } from "../policies/check-policy.ts";

export function policyTypeToProto(type: PolicyType): PolicyTypeProto {
  return {
    type: type.type,
    title: type.title,
    description: type.description,
    category: type.category,
    schemaJson: JSON.stringify(schemaOf(type.type)),
    hasConditions: type.position === "ordered",
  };
}
