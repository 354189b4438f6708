import { createTransport } from "nodemailer";
import { subjectOf, textOf } from "../domain/notification.ts";
import type { Channel } from "./channel.ts";

export interface MailOptions {
  /** smtps://user:password@host:465, or smtp://…:587 with STARTTLS. */
  readonly server: { reveal(): string };
  readonly from: string;
  readonly to: readonly string[];
  /** Of a mail as a whole; default 30 s. */
  readonly limitMs?: number;
}

/** Of one answer. */
const timeoutMs = 10_000;
const defaultLimitMs = 30_000;

/** One mail to all addresses. Plain SMTP is for a server on this machine only; elsewhere it is TLS, or nothing is sent. */
export function createMail({ server, from, to, limitMs = defaultLimitMs }: MailOptions): Channel {
  const url = new URL(server.reveal());
  const isHere = ["localhost", "[::1]", "127.0.0.1"].includes(url.hostname);
  const transport = createTransport({
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port) || (url.protocol === "smtps:" ? 465 : 587),
    secure: url.protocol === "smtps:",
    requireTLS: !isHere,
    ignoreTLS: isHere && url.protocol === "smtp:",
    ...(url.username === ""
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return async (content, signal) => {
    // When it aborts, the connection is closed.
    const within = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    try {
      await transport.sendMail({
        from,
        to: [...to],
        subject: subjectOf(content),
        text: textOf(content),
        messageId: `<${content.notificationId}@drawbridge.alerting>`,
        headers: { "auto-submitted": "auto-generated" },
        signal: within,
      });
      return { outcome: "delivered" };
    } catch (error) {
      if (within.aborted) return { outcome: "failed", problem: "the mail server took too long", ends: "later" };
      const code = error instanceof Error && "responseCode" in error ? Number(error.responseCode) : 0;
      const reason = error instanceof Error && "code" in error ? String(error.code) : "unknown";
      const problem = code > 0 ? `the mail server answered ${code}` : `the mail server cannot be used (${reason})`;
      // Also what a server calls permanent: a password that is mended tomorrow still tells of today.
      return { outcome: "failed", problem, ends: "later" };
    }
  };
}
