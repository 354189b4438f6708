import type { Gate } from "../api/types.ts";

/**
 * Gates of several gateways in as few lines as tell everything: those of one API that stand alike are one, under the names of
 * all gateways that say so, and in that state since the last of them is.
 */
export function agreeingGates(gates: readonly Gate[]): readonly Gate[] {
  const groups = Map.groupBy(gates, ({ gatewayId: _who, since: _when, ...what }) => JSON.stringify(what));
  return [...groups.values()].flatMap((alike) => {
    const [first] = alike;
    if (first === undefined || alike.length === 1) return alike;
    const names = [...new Set(alike.map(({ gatewayId }) => gatewayId))].toSorted();
    const since = alike
      .map((gate) => gate.since ?? "")
      .toSorted()
      .at(-1);
    return [{ ...first, gatewayId: names.join(", "), since: since === undefined || since === "" ? null : since }];
  });
}

/** Gates of APIs, whatever the number of gateways: open where no gateway blocks. */
export function countGates(gates: readonly Gate[]): { readonly open: number; readonly all: number } {
  const groups = Map.groupBy(gates, ({ apiName, apiVersion, basePath, deployment }) =>
    JSON.stringify([apiName, apiVersion, basePath, deployment]),
  );
  const open = [...groups.values()].filter((ofOne) => ofOne.every(({ blocked }) => !blocked)).length;
  return { open, all: groups.size };
}
