/** earshot.control.v1.CallControl: what programs do with the calls that are up. The same rights, audit and errors as REST. */
import type { SettingsOf } from "@earshot/platform/config/settings.ts";
import type { Handlers, ServerCall } from "@earshot/platform/grpc/server.ts";
import type { LiveCall } from "@earshot/proto/api/live.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { type CallControl as CallControlService, CallChange_Kind as Kind } from "@earshot/proto/gen/earshot/control/v1/call_control_pb.js";
import { AddressLimit } from "../../access/address-limit.ts";
import { bearerOf, type Identity, identify } from "../../access/identity.ts";
import type { Listening } from "../../live/listening.ts";
import { type CallAction, CallControl, longestReason } from "../call-control.ts";
import type { ApiContext } from "../context.ts";
import { callOf, pageOf } from "./call-list.ts";
import { Mailbox } from "./mailbox.ts";
import type { grpcSettings } from "./settings.ts";

type Context = Pick<ApiContext, "calls" | "liveCalls" | "directory" | "eventLog" | "clock"> & {
  readonly listening: Listening;
  readonly limits: Pick<SettingsOf<typeof grpcSettings>, "streamsPerTenant" | "pageCalls" | "watchedChanges" | "recheckMs"> & {
    /** Calls of one source address. */
    readonly callsPerMinute: number;
  };
};

/** Chunks of 100 ms that wait for a listener; beyond, the oldest are left out and positions jump: better a gap than a lag. */
const waitingChunks = 50;
/** What changes a call as it is told of here; words do not. */
const ofCalls = new Set<string>(["call.started", "call.updated", "call.ended", "attention"]);
/** Ids are made by Earshot and shorter. */
const longestId = 100;

export function callControlService(context: Context): Handlers<typeof CallControlService> {
  const { directory, liveCalls, listening, limits, clock } = context;
  const control = new CallControl(context);
  const knocks = new AddressLimit(clock, limits.callsPerMinute);
  const streams = new Map<string, number>();

  const lookUp = (call: ServerCall) =>
    identify(directory, { bearer: bearerOf({ authorization: call.header("authorization") }), cookie: undefined });
  const who = async (call: ServerCall): Promise<Identity> => {
    const waitMs = knocks.knock(call.address);
    if (waitMs > 0)
      throw new EarshotError("rate_limited", "too_many_requests", "Too many calls from this address.", {
        remedy: "Wait a moment, or raise EARSHOT_REQUESTS_PER_MINUTE.",
        retryAfterMs: waitMs,
      });
    const identity = await lookUp(call);
    if (identity === undefined) throw keyNeeded();
    return identity;
  };
  const checkId = (id: string): string => {
    if (id === "" || id.length > longestId)
      throw new EarshotError("invalid_request", "call_id_invalid", `call_id is to have 1 to ${longestId} characters.`);
    return id;
  };
  const act = (action: CallAction) => async (request: { callId: string; reason?: string }, call: ServerCall) => {
    const { callId, reason = "" } = request;
    const identity = await who(call);
    if (reason.length > longestReason)
      throw new EarshotError("invalid_request", "reason_too_long", `reason is to have ${longestReason} characters at most.`);
    await control.act(identity, checkId(callId), action, reason);
    return { callId };
  };
  /** Counts a stream for as long as it lasts, which is no longer than its key is valid and this server runs. @throws EarshotError rate_limited */
  const stream = async function* <T>(tenant: string, call: ServerCall, source: () => AsyncIterable<T>): AsyncIterable<T> {
    const open = streams.get(tenant) ?? 0;
    if (open >= limits.streamsPerTenant)
      throw new EarshotError("rate_limited", "too_many_streams", "Too many streams of this tenant are open.", {
        remedy: "End others, or raise EARSHOT_GRPC_STREAMS.",
        retryAfterMs: 1000,
      });
    streams.set(tenant, open + 1);
    const onStop = () => call.end(new EarshotError("unavailable", "server_stopping", "This server stops.", { remedy: "Connect again." }));
    call.stopping.addEventListener("abort", onStop);
    const cancelRecheck = clock.every(limits.recheckMs, () => {
      lookUp(call).then(
        (identity) => identity?.tenant.id === tenant || call.end(keyNeeded()),
        // Who cannot be looked up now stays who it was: the directory is away.
        () => {},
      );
    });
    try {
      if (call.stopping.aborted) onStop();
      yield* source();
    } finally {
      cancelRecheck();
      call.stopping.removeEventListener("abort", onStop);
      const left = streams.get(tenant)! - 1;
      if (left === 0) streams.delete(tenant);
      else streams.set(tenant, left);
    }
  };

  return {
    listCalls: async ({ pageSize, pageToken }, call) => {
      const { tenant } = await who(call);
      return pageOf(liveCalls.list(tenant.id).filter(isUp), Math.min(pageSize || limits.pageCalls, limits.pageCalls), pageToken);
    },

    async *watchCalls(_request, call) {
      const { tenant } = await who(call);
      yield* stream(tenant.id, call, async function* () {
        // Of each call the state when its turn comes. What has ended waits too, so that a limit is needed.
        const changes = new Mailbox<LiveCall>(call.signal, Number.POSITIVE_INFINITY);
        const stopWatching = liveCalls.onEvent((of, event) => {
          if (of !== tenant.id || !ofCalls.has(event.type)) return;
          const changed = "call" in event ? event.call : liveCalls.get(of, event.callId);
          if (changed !== undefined) changes.put(changed.id, changed);
          if (changes.size > limits.watchedChanges) changes.fail(tooSlow());
        });
        try {
          for (const up of liveCalls.list(tenant.id).filter(isUp)) yield { kind: Kind.UPDATED, call: callOf(up) };
          yield { kind: Kind.SYNCED };
          for await (const changed of changes) yield { kind: isUp(changed) ? Kind.UPDATED : Kind.ENDED, call: callOf(changed) };
        } finally {
          stopWatching();
        }
      });
    },

    pauseRecording: act("pause"),
    resumeRecording: act("resume"),
    stopRecording: act("stop"),

    async *listen({ callId }, call) {
      const identity = await who(call);
      yield* stream(identity.tenant.id, call, async function* () {
        const chunks = new Mailbox<{ positionMs: number; sampleRate: number; pcm: Uint8Array }>(call.signal, waitingChunks);
        const ear = await listening.open(identity, checkId(callId), {
          heard: ({ chunk }) => chunks.put(chunk.positionMs, chunk),
          ended: () => chunks.close(),
        });
        try {
          for await (const { positionMs, sampleRate, pcm } of chunks) yield { positionMs, sampleRate, pcm };
        } finally {
          await ear.close();
        }
      });
    },
  };
}

const keyNeeded = () =>
  new EarshotError("unauthenticated", "login_required", "This needs an API key.", {
    remedy: "Send the metadata authorization: Bearer with a key of Settings > API keys.",
  });
const tooSlow = () =>
  new EarshotError("rate_limited", "watched_too_slowly", "More calls have changed than wait for one watcher.", {
    remedy: "Watch again and read faster, or raise EARSHOT_GRPC_WATCH_CHANGES.",
  });

const isUp = (call: LiveCall): boolean => call.endedAt === null;
