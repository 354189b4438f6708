import { describeSkew, skewWarnMs } from "../clock/describe-skew.ts";

/**
 * Why a server closes the connection when it has seen our certificate. In TLS 1.3 it does not say, so every cause is named that the
 * certificate, by this machine's clock, leaves open.
 */
export function describeClientRefusal(options: {
  /** "runtime-manager at cp.example.com:7420" */
  readonly server: string;
  readonly notAfter: Date;
  readonly now: Date;
  /** This machine's clock minus the control plane's, if it was ever measured. */
  readonly measuredSkewMs: number | undefined;
}): string {
  const { server, notAfter, now, measuredSkewMs } = options;
  const fact = `${server} closed the connection when it saw this agent's certificate`;
  if (now >= notAfter) {
    return `${fact}: it expired at ${notAfter.toISOString()}, and this machine's clock says ${now.toISOString()}`;
  }
  const clocks =
    measuredSkewMs !== undefined && Math.abs(measuredSkewMs) >= skewWarnMs
      ? `your clock was ${describeSkew(measuredSkewMs)} of the control plane's when they were last compared`
      : "compare the control plane's clock with this machine's";
  return `${fact}: it is revoked, of a root that is gone there, or not valid by the clock there. By this machine's clock it is ${now.toISOString()} and the certificate valid until ${notAfter.toISOString()}: ${clocks}`;
}
