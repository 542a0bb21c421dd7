/** Records that could not be handled: seen, replayed once the cause is mended, or discarded. Audited. */
import { list } from "@earshot/proto/api/calls.ts";
import { deadLetter, deadLetterDetail, deadLetterState } from "@earshot/proto/api/queue.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { decodeEvent, eventAsJson } from "@earshot/proto/event.ts";
import { topicNamed } from "@earshot/proto/topics.ts";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { ownsInstallation, who } from "../access-control.ts";
import type { Api, ApiContext } from "../context.ts";
import { listQuery, pageOf } from "../list-query.ts";

const tags = ["queue"];
/** Ids are made of a group, a topic and two numbers. */
const idParameter = z.object({ id: z.string().min(1).max(200) });
/** Of the record, so many bytes are shown. */
const shownBytes = 512;
/** An event with audio or a whole call's state in it is not read by anybody. */
const longestShownEvent = 64 * 1024;

export function queueRoutes(api: Api, { deadLetters, directory }: ApiContext): void {
  const config = { access: "admin" as const };
  const reader = async (request: FastifyRequest) => {
    const { tenant } = who(request);
    return { tenant: tenant.id, seesUnclaimed: await ownsInstallation(directory, tenant.id) };
  };

  api.get(
    "/queue",
    {
      config,
      schema: {
        tags,
        summary: "Records that could not be handled, newest first",
        querystring: listQuery.extend({ state: deadLetterState.optional(), topic: z.string().max(100).optional() }),
        response: { 200: list(deadLetter) },
      },
    },
    async (request) => {
      const { state, topic } = request.query;
      const letters = deadLetters
        .list(await reader(request))
        .filter((letter) => (state === undefined || letter.state === state) && (topic === undefined || letter.topic === topic));
      return pageOf(letters, request.query);
    },
  );

  api.get(
    "/queue/:id",
    {
      config,
      schema: { tags, summary: "One of them, and what can be read of it", params: idParameter, response: { 200: deadLetterDetail } },
    },
    async (request) => {
      const by = await reader(request);
      const letter = deadLetters.get(by, request.params.id);
      return { ...letter, ...readable(letter.topic, await deadLetters.value(by, letter.id)) };
    },
  );

  for (const [act, summary] of [
    ["replay", "Publish it once more on its topic; where it fails again it is listed anew"],
    ["discard", "Take it off the list for good"],
  ] as const)
    api.post(
      `/queue/:id/${act}`,
      { config, schema: { tags, summary, params: idParameter, response: { 200: deadLetter } } },
      async (request) => {
        const { tenant, actor } = who(request);
        const { id } = request.params;
        const settled = await deadLetters[act](await reader(request), id, actor);
        await directory.audit(tenant.id, {
          actor,
          action: `dead_letter.${act}`,
          subject: id,
          details: { topic: settled.topic, key: settled.key, errorCode: settled.errorCode },
        });
        return settled;
      },
    );
}

function readable(topic: string, value: Uint8Array) {
  const hex = Buffer.from(value.subarray(0, shownBytes)).toString("hex");
  if (topicNamed(topic)?.message !== "Event" || value.byteLength > longestShownEvent) return { message: "", remedy: "", event: null, hex };
  try {
    return { message: "", remedy: "", event: eventAsJson(decodeEvent(value)), hex };
  } catch (error) {
    const { message, remedy } = error instanceof EarshotError ? error : { message: "It cannot be read.", remedy: "" };
    return { message, remedy, event: null, hex };
  }
}
