import { readFileSync } from "node:fs";
import { Secret } from "@drawbridge/config";
import type { Clock } from "@drawbridge/lifecycle";
import type { AlertingConfig } from "../config.ts";
import { rulesInvalid } from "../rules/read-rule-file.ts";
import type { Receiver } from "../rules/rule-file.ts";
import type { Channel } from "./channel.ts";
import { createMail } from "./mail.ts";
import { createWebhook } from "./webhook.ts";

const leastSecretCharacters = 32;

/** @throws DrawbridgeError `ALERT_RULES_INVALID` (invalid_argument): it cannot be told as things are set */
export function openChannel(
  receiver: Receiver,
  config: Pick<AlertingConfig, "SMTP_URL_FILE" | "MAIL_FROM">,
  clock: Pick<Clock, "now">,
): Channel {
  if ("webhook" in receiver) {
    const { url, allowLoopbackHttp, secretFile } = receiver.webhook;
    return createWebhook({ url, allowLoopbackHttp, secret: secretIn(receiver.name, secretFile), clock });
  }
  const { SMTP_URL_FILE: server, MAIL_FROM: from } = config;
  if (server !== undefined && from !== undefined) return createMail({ server, from, to: receiver.email.to });
  throw rulesInvalid(`the receiver ${receiver.name} wants mail, and SMTP_URL_FILE and MAIL_FROM are not set`);
}

function secretIn(receiver: string, path: string): Secret {
  let text: string;
  try {
    text = readFileSync(path, "utf8").trim();
  } catch (cause) {
    throw rulesInvalid(`the secret of the receiver ${receiver} cannot be read: ${path}`, cause);
  }
  if (text.length >= leastSecretCharacters) return new Secret(text);
  throw rulesInvalid(`the secret of the receiver ${receiver} must have at least ${leastSecretCharacters} characters`);
}
