/** A recogniser around another one: what the outer one does not say or do for itself is the inner one's. */
import type { CallId } from "@earshot/proto/ids.ts";
import type { Recogniser, UtteranceOptions } from "./port.ts";

/** @param own also getters; they take the place of the inner recogniser's */
export function wrapped(inner: Recogniser, own: Partial<Recogniser>): Recogniser & { readonly fault: string | undefined } {
  const outer = {
    name: inner.name,
    id: inner.id,
    // They may change when the engine has started.
    get version() {
      return inner.version;
    },
    get capabilities() {
      return inner.capabilities;
    },
    get fault() {
      return inner.fault;
    },
    start: () => inner.start(),
    stop: (deadlineMs: number) => inner.stop(deadlineMs),
    utterance: (options: UtteranceOptions) => inner.utterance(options),
    legEnded: (call: CallId, leg: number) => inner.legEnded(call, leg),
  };
  // Not by spreading, which would call the getters once and keep their values.
  return Object.defineProperties(outer, Object.getOwnPropertyDescriptors(own));
}
