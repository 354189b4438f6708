import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import {
  exchangeBytes,
  plainAnswer,
  runSmugglingCase,
  smugglingCases,
  startSmugglingGateway,
  type SmugglingLane,
} from "@drawbridge/gatekeeper-proxy/smuggling";
import type { Drill } from "../drill.ts";
import { pick, seededRandom } from "../seeded-random.ts";
import { mutate } from "./mutate.ts";
import { countByNode, readByUndici } from "./oracles.ts";

const laneCount = 8;
const defaultRounds = 2_000;

type Findings = string[];

/**
 * Bytes by which a client or an upstream wants two readers to disagree, against a real data plane: those made by hand, then
 * random changes of them. Whatever the gateway passes on must read the same to a strict reader of our own, to node's parser
 * and, in the other direction, to undici.
 */
export const drillSmuggling: Drill = async ({ rounds = defaultRounds, seed, say }) => {
  await using gateway = await startSmugglingGateway(laneCount);
  const byHand: Findings = [];
  const requests: Findings = [];
  const answers: Findings = [];
  const counts = { forwarded: 0, answersPassed: 0 };

  const cases = [...smugglingCases];
  await Promise.all(
    gateway.lanes.map(async (lane) => {
      for (let one = cases.shift(); one !== undefined; one = cases.shift()) {
        const found = await runSmugglingCase(lane, one);
        byHand.push(...found.map((finding) => `${one.kind}, ${one.group}, ${one.name}: ${finding}`));
      }
    }),
  );
  say(`${smugglingCases.length} cases by hand`);

  // What passes, changed a little, is nearer to what passes and should not than what is refused already.
  const requestTexts = smugglingCases.flatMap((one) =>
    one.kind === "request" && one.seen.length > 0 ? [one.pieces.join("")] : [],
  );
  const answerTexts = smugglingCases.flatMap((one) =>
    one.kind === "response" && one.method === "GET" && typeof one.status === "number" && one.status < 400
      ? [one.pieces.join("")]
      : [],
  );
  let round = 0;
  await Promise.all(
    gateway.lanes.map(async (lane) => {
      while (round < rounds) {
        round += 1;
        const number = round;
        const mine = seed * 1_000_003 + number;
        const random = seededRandom(mine);
        const isRequest = random() < 0.5;
        const bytes = mutate(pick(isRequest ? requestTexts : answerTexts, random), random);
        const found = isRequest ? await tryRequest(lane, bytes, counts) : await tryAnswer(lane, bytes, counts);
        (isRequest ? requests : answers).push(
          ...found.map((finding) => `seed ${mine}: ${finding}: ${JSON.stringify(bytes)}`),
        );
        if (number % 500 === 0) say(`${number} mutations`);
      }
    }),
  );
  return {
    figures: {
      "cases by hand": { value: smugglingCases.length, unit: "cases" },
      mutations: { value: rounds, unit: "mutations" },
      "requests passed on": { value: counts.forwarded, unit: "requests" },
      "answers passed on": { value: counts.answersPassed, unit: "answers" },
    },
    invariants: {
      "each case by hand is refused or forwarded without doubt": byHand,
      "what is passed on reads the same to a strict reader and to node": requests,
      "an answer that is passed on reads the same to undici": answers,
    },
  };
};

async function tryRequest(lane: SmugglingLane, bytes: string, counts: { forwarded: number }): Promise<Findings> {
  lane.upstream.reset();
  // Nobody knows how many answers come: the client leaves, and what was passed on counts.
  await exchangeBytes(lane.port, { pieces: [bytes], answers: [], leaves: true });
  await exchangeBytes(lane.port, {
    pieces: ["GET /canary HTTP/1.1\r\nHost: a.example\r\n\r\n"],
    answers: [200],
    leaves: false,
  });
  const findings = lane.upstream.doubts().map((doubt) => `upstream: ${doubt}`);
  const seen = lane.upstream.requests();
  if (!seen.some(({ startLine }) => startLine.includes("/canary "))) findings.push("the next request did not arrive");
  counts.forwarded += seen.length - 1;
  const text = lane.upstream.connections();
  let byNode = 0;
  for (const connection of text) byNode += await countByNode(connection);
  if (byNode !== seen.length) findings.push(`node sees ${byNode} requests where the strict reader sees ${seen.length}`);
  return findings;
}

async function tryAnswer(lane: SmugglingLane, bytes: string, counts: { answersPassed: number }): Promise<Findings> {
  lane.upstream.reset((request, socket) => {
    if (request.startLine.includes(" /attack ")) socket.end(Buffer.from(bytes, "latin1"));
    else socket.write(plainAnswer);
  });
  const told = await ask(lane.port, "/attack");
  const next = await ask(lane.port, "/canary");
  lane.upstream.reset();
  const findings: Findings = [];
  if (next.status !== 200 || next.body !== "ok") findings.push(`the next client was told ${next.status}`);
  if (told.status === "broken" || told.isOurs) return findings;
  counts.answersPassed += 1;
  const oracle = await readByUndici(bytes);
  const isSame = oracle.status === told.status && oracle.body === told.body;
  if (oracle.status !== "broken" && !isSame) {
    findings.push(
      `undici reads ${oracle.status} ${JSON.stringify(oracle.body)}, the client was told ${told.status} ${JSON.stringify(told.body)}`,
    );
  }
  return findings;
}

async function ask(port: number, path: string): Promise<{ status: number | "broken"; body: string; isOurs: boolean }> {
  const outgoing = httpRequest({ port, host: "127.0.0.1", path, agent: false, timeout: 20_000 });
  outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in time")));
  outgoing.end();
  try {
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    answer.setEncoding("latin1");
    const isOurs = answer.headers["x-gateway-origin"] !== undefined;
    return { status: answer.statusCode ?? 0, body: await text(answer), isOurs };
  } catch {
    return { status: "broken", body: "", isOurs: false };
  }
}
