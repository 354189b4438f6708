import { z } from "zod";
import { definePolicyType } from "../../policy-type.ts";

const limit = (description: string) => z.number().int().min(1).max(3_600_000).optional().describe(description);

const schema = z
  .strictObject({
    connectMs: limit("milliseconds until the connection to the upstream stands"),
    responseMs: limit("milliseconds from the end of the request to the first byte of the response"),
    idleMs: limit("milliseconds between two pieces of the response"),
    totalMs: limit("milliseconds from the request's arrival to the end of the response, all attempts together"),
  })
  .superRefine((limits, context) => {
    if (Object.values(limits).every((value) => value === undefined)) {
      context.addIssue({
        code: "custom",
        path: [],
        message: "must have one of connectMs, responseMs, idleMs and totalMs",
      });
    }
    const { totalMs } = limits;
    for (const name of ["connectMs", "responseMs", "idleMs"] as const) {
      const value = limits[name];
      if (totalMs !== undefined && value !== undefined && value > totalMs) {
        context.addIssue({
          code: "custom",
          path: [name],
          message: "must not be longer than totalMs, which would end it before",
        });
      }
    }
  });

type Configuration = z.output<typeof schema>;

export const timeout = definePolicyType<Configuration>({
  type: "timeout",
  title: "Timeouts",
  description:
    "Limits the time that the upstream has, instead of the gateway's own limits; beyond them the answer is 504.",
  category: "quality_of_service",
  schema,
  position: "ordered",
  provides: [],
  requiresContracts: () => false,
  bodyBytes: () => 0,
  create: ({ connectMs, responseMs, idleMs, totalMs }) => ({
    upstream: {
      timeouts: {
        ...(connectMs === undefined ? {} : { connectMs }),
        ...(responseMs === undefined ? {} : { responseMs }),
        ...(idleMs === undefined ? {} : { idleMs }),
        ...(totalMs === undefined ? {} : { totalMs }),
      },
    },
  }),
});
