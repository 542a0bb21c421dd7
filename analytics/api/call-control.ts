/** What is done to a call that is up, for the REST API and gRPC alike: looked up, audited, and passed on to whichever gateway has it. */
import { randomUUID } from "node:crypto";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type EventInit, encodeEvent } from "@earshot/proto/event.ts";
import type { TenantId } from "@earshot/proto/ids.ts";
import { topics } from "@earshot/proto/topics.ts";
import type { Identity } from "../access/identity.ts";
import type { ApiContext } from "./context.ts";

/** A command as it may be written into an event. */
type CommandInit = Extract<NonNullable<EventInit["payload"]>, { case: "callCommand" }>["value"]["command"];
export type CallAction = "pause" | "resume" | "stop";
/** Of the reason that is kept with a pause or a stop. */
export const longestReason = 200;

export class CallControl {
  readonly #context: Pick<ApiContext, "calls" | "liveCalls" | "directory" | "eventLog" | "clock">;

  constructor(context: Pick<ApiContext, "calls" | "liveCalls" | "directory" | "eventLog" | "clock">) {
    this.#context = context;
  }

  isLive(tenant: TenantId, callId: string): boolean {
    return this.#context.liveCalls.get(tenant, callId)?.endedAt === null;
  }

  /** @throws EarshotError not_found; conflict where the call has ended */
  async mustBeLive(tenant: TenantId, callId: string): Promise<void> {
    const { calls, liveCalls } = this.#context;
    if (this.isLive(tenant, callId)) return;
    if (liveCalls.get(tenant, callId) === undefined && (await calls.getCall(tenant, callId)) === undefined) throw callUnknown();
    throw new EarshotError("conflict", "call_not_live", "The call has ended.", {
      remedy: "Only a call that is up can be paused, resumed or stopped.",
    });
  }

  /** Resolves when the command is on its way; its effect is seen on the call. @throws EarshotError as `mustBeLive` */
  async act({ tenant, actor }: Pick<Identity, "tenant" | "actor">, callId: string, action: CallAction, reason: string): Promise<void> {
    await this.mustBeLive(tenant.id, callId);
    await this.#context.directory.audit(tenant.id, {
      actor,
      action: `call.${action}`,
      subject: callId,
      details: reason === "" ? {} : { reason },
    });
    await this.publish(topics.commands.name, tenant.id, callId, {
      case: "callCommand",
      value: { actor, command: commandOf(action, reason) },
    });
  }

  async publish(topic: string, tenant: TenantId, callId: string, payload: EventInit["payload"]): Promise<void> {
    const { eventLog, clock } = this.#context;
    await eventLog.publish(
      topic,
      callId,
      encodeEvent({ id: `${topic}-${callId}-${randomUUID()}`, tenantId: tenant, callId, occurredAtMs: clock.now(), payload }),
    );
  }
}

function commandOf(action: CallAction, reason: string): CommandInit {
  switch (action) {
    case "pause":
      return { case: "pause", value: { reason } };
    case "resume":
      return { case: "resume", value: {} };
    case "stop":
      return { case: "stop", value: { reason } };
  }
}

export function callUnknown(): EarshotError {
  return new EarshotError("not_found", "call_unknown", "There is no such call.", { remedy: "Look for it in the list of calls." });
}
