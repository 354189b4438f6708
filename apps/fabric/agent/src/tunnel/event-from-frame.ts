import type { ConnectResponse } from "@drawbridge/contracts/tunnel/v1/tunnel_service";
import { boundedRenewalWaitMs, boundedWaitMs } from "./session-terms.ts";
import type { ApiConfigurationMark, TunnelEvent } from "./tunnel-events.ts";

type Frame = NonNullable<ConnectResponse["frame"]>;

/** What a frame says to the agent. A kick is the connection's own business and makes no event. */
export function eventsFromFrame(frame: Frame, correlationId: string): readonly TunnelEvent[] {
  switch (frame.$case) {
    case "heartbeatAck": {
      const { serverTime, desiredGeneration, desiredDigest, apiConfiguration } = frame.value;
      const desired: TunnelEvent = {
        event: "desired",
        desired: { generation: desiredGeneration, digest: desiredDigest },
      };
      return [
        ...(serverTime ? [{ event: "serverTime", serverTime } as const] : []),
        desired,
        ...configurationEvents(apiConfiguration),
      ];
    }
    case "notify":
      return [{ event: "desired", desired: { generation: frame.value.generation, digest: frame.value.digest } }];
    case "statusAck":
      return [{ event: "statusAck", seq: frame.value.statusSeq }];
    case "logsRequest": {
      const { appId, replicaId, tailLines, follow } = frame.value;
      return [{ event: "logs", order: { correlationId, appId, replicaId, tailLines, follow } }];
    }
    case "logsCancel":
      return [{ event: "logsCancel", correlationId }];
    case "drain":
      return [{ event: "drain", withinMs: boundedWaitMs(frame.value.reconnectWithinMs), reason: frame.value.reason }];
    case "trustBundleChanged":
      return [{ event: "trustBundle", sequence: frame.value.sequence, succession: frame.value.succession }];
    case "welcome": {
      const { serverTime, apiConfiguration } = frame.value;
      return [
        ...(serverTime ? [{ event: "serverTime", serverTime } as const] : []),
        ...configurationEvents(apiConfiguration),
      ];
    }
    case "renewResult": {
      const { trustBundle, certificatesDer, errorCode, errorMessage, retryAfterMs } = frame.value;
      const offer = trustBundle && trustBundle.sequence > 0n ? trustBundle : undefined;
      const answer = { correlationId, certificatesDer, trustBundle: offer, errorCode, errorMessage, retryAfterMs };
      return [{ event: "renewed", answer }];
    }
    case "renewNow": {
      const { withinMs, serialNumbers } = frame.value;
      return [{ event: "renewNow", withinMs: boundedRenewalWaitMs(withinMs), serialNumbers }];
    }
    case "apiConfigurationChanged":
      return configurationEvents(frame.value);
    case "kick":
      return [];
  }
}

/** Absent while the control plane cannot say: what it said before stands. */
function configurationEvents(mark: ApiConfigurationMark | undefined): readonly TunnelEvent[] {
  return mark === undefined ? [] : [{ event: "apiConfiguration", mark }];
}
