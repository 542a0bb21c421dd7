/** What a person does to a call: pause, resume and stop the recording, correct who is who. */
import { type CallDetail, callDetail, setSpeakers } from "@earshot/proto/api/calls.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { topics } from "@earshot/proto/topics.ts";
import { z } from "zod";
import { who } from "../access-control.ts";
import { type CallAction, CallControl, callUnknown, longestReason } from "../call-control.ts";
import type { Api, ApiContext } from "../context.ts";
import { withLiveState } from "../live-detail.ts";
import { callParameter } from "./calls.ts";

const tags = ["calls"];
const accepted = { 202: z.object({ callId: z.string() }) };
/** As in proto's Speaker and Codec. */
const speakerNumbers = { agent: 1, caller: 2, mixed: 3 } as const;
const codecNumbers: Record<string, number> = { PCMA: 1, PCMU: 2, G722: 3, L16: 4, opus: 5 };

const actions: Record<CallAction, string> = {
  pause: "Pause the recording: true silence and no words until it is resumed",
  resume: "Record and transcribe again from here",
  stop: "End the recording session: the call becomes a record with the termination stopped. People talk on",
};

export function callCommandRoutes(api: Api, context: ApiContext): void {
  const { calls, liveCalls, directory } = context;
  const control = new CallControl(context);

  for (const [action, summary] of Object.entries(actions) as [CallAction, string][])
    api.post(
      `/calls/:id/${action}`,
      {
        schema: {
          tags,
          summary,
          params: callParameter,
          body: z.object({ reason: z.string().max(longestReason).optional() }).nullish(),
          response: accepted,
        },
      },
      async (request, reply) => {
        const { id } = request.params;
        await control.act(who(request), id, action, request.body?.reason ?? "");
        return reply.status(202).send({ callId: id });
      },
    );

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
      if (control.isLive(tenant.id, id))
        await control.publish(topics.commands.name, tenant.id, id, {
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
      else await control.publish(topics.calls.name, tenant.id, id, { case: "callUpdated", value: correction(call, legs) });
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
