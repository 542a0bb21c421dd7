/** What a person does to a call: pause and resume the recording, correct who is who. Audited, and passed on as commands. */
import { randomUUID } from "node:crypto";
import { type CallDetail, callDetail, setSpeakers } from "@earshot/proto/api/calls.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type EventInit, encodeEvent } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import { z } from "zod";
import { who } from "../access-control.ts";
import type { Api, ApiContext } from "../context.ts";
import { withLiveState } from "../live-detail.ts";
import { callParameter, callUnknown } from "./calls.ts";

const tags = ["calls"];
const accepted = { 202: z.object({ callId: z.string() }) };
/** As in proto's Speaker and Codec. */
const speakerNumbers = { agent: 1, caller: 2, mixed: 3 } as const;
const codecNumbers: Record<string, number> = { PCMA: 1, PCMU: 2, G722: 3, L16: 4, opus: 5 };

export function callCommandRoutes(api: Api, context: ApiContext): void {
  const { calls, liveCalls, directory, eventLog, clock } = context;

  const publish = (topic: string, tenant: TenantId, callId: string, payload: EventInit["payload"]) =>
    eventLog.publish(
      topic,
      callId,
      encodeEvent({ id: `${topic}-${callId}-${randomUUID()}`, tenantId: tenant, callId, occurredAtMs: clock.now(), payload }),
    );

  const liveCall = (tenant: TenantId, id: string) => {
    const call = liveCalls.get(tenant, id);
    return call?.endedAt === null ? call : undefined;
  };
  const mustBeLive = async (tenant: TenantId, id: string): Promise<void> => {
    if (liveCall(tenant, id) !== undefined) return;
    if (liveCalls.get(tenant, id) === undefined && (await calls.getCall(tenant, id)) === undefined) throw callUnknown();
    throw new EarshotError("conflict", "call_not_live", "The call has ended.", { remedy: "Only a call that is up can be paused." });
  };

  api.post(
    "/calls/:id/pause",
    {
      schema: {
        tags,
        summary: "Pause the recording: true silence and no words until it is resumed",
        params: callParameter,
        body: z.object({ reason: z.string().max(200).optional() }).nullish(),
        response: accepted,
      },
    },
    async (request, reply) => {
      const { tenant, actor } = who(request);
      const { id } = request.params;
      await mustBeLive(tenant.id, id);
      const reason = request.body?.reason ?? "";
      await directory.audit(tenant.id, { actor, action: "call.pause", subject: id, details: { reason } });
      await publish(topics.commands.name, tenant.id, id, {
        case: "callCommand",
        value: { actor, command: { case: "pause", value: { reason } } },
      });
      return reply.status(202).send({ callId: id });
    },
  );

  api.post("/calls/:id/resume", { schema: { tags, params: callParameter, response: accepted } }, async (request, reply) => {
    const { tenant, actor } = who(request);
    const { id } = request.params;
    await mustBeLive(tenant.id, id);
    await directory.audit(tenant.id, { actor, action: "call.resume", subject: id, details: {} });
    await publish(topics.commands.name, tenant.id, id, { case: "callCommand", value: { actor, command: { case: "resume", value: {} } } });
    return reply.status(202).send({ callId: id });
  });

  api.post(
    "/calls/:id/speakers",
    {
      schema: { tags, summary: "Correct which leg is the agent", params: callParameter, body: setSpeakers, response: { 202: callDetail } },
    },
    async (request, reply) => {
      const { tenant, actor } = who(request);
      const { id } = request.params;
      const call = withLiveState(await calls.getCall(tenant.id, id), liveCalls.get(tenant.id, id));
      if (call === undefined) throw callUnknown();
      const wanted = new Map(request.body.legs.map(({ index, speaker }) => [index, speaker]));
      for (const index of wanted.keys())
        if (!call.legs.some((leg) => leg.index === index))
          throw new EarshotError("invalid_request", "leg_unknown", `The call has no leg ${index}.`, { details: { index } });
      const legs = call.legs.map((leg) => ({
        ...leg,
        speaker: wanted.get(leg.index) ?? leg.speaker,
        speakerReason: wanted.has(leg.index) ? "corrected" : leg.speakerReason,
      }));
      await directory.audit(tenant.id, { actor, action: "call.speakers", subject: id, details: { legs: request.body.legs } });
      if (liveCall(tenant.id, id) !== undefined)
        await publish(topics.commands.name, tenant.id, id, {
          case: "callCommand",
          value: {
            actor,
            command: {
              case: "setLegSpeakers",
              value: { legs: request.body.legs.map(({ index, speaker }) => ({ leg: index, speaker: speakerNumbers[speaker] })) },
            },
          },
        });
      // The gateway has let go of a call that has ended: its record is corrected by the same event that the gateway would send.
      else await publish(topics.calls.name, tenant.id, id, { case: "callUpdated", value: correction(call, legs) });
      return reply.status(202).send({ ...call, legs });
    },
  );
}

function correction(call: CallDetail, legs: CallDetail["legs"]) {
  return {
    externalCallId: call.externalCallId,
    direction: call.direction,
    queue: call.queue,
    recordingPaused: call.recordingPaused,
    reason: "command",
    legs: legs.map((leg) => ({
      index: leg.index,
      label: leg.label,
      speaker: speakerNumbers[leg.speaker],
      speakerReason: leg.speakerReason,
      participant: { name: leg.name, address: leg.address },
      codec: codecNumbers[leg.codec] ?? 0,
      state: leg.state,
      agentName: leg.agentName,
    })),
  };
}
