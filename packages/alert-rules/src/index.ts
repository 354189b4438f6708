export {
  alertNameSchema,
  alertRuleFields,
  alertRuleFileSchema,
  alertRulesPerEnvironment,
  alertRuleSchema,
  alertRulesSchema,
  boundText,
  checkAlertRule,
  type AlertRule,
} from "./alert-rule.ts";
export { alertRuleFromMessage, alertRuleToMessage } from "./alert-rule-message.ts";
