/** Engines in order: the first whose circuit is closed gets the utterance, the next one takes it over, audio and all, where it fails. */
import type { Clock } from "@earshot/platform/clock/clock.ts";
import type { Log } from "@earshot/platform/log/log.ts";
import type { Metrics } from "@earshot/platform/metrics/metrics.ts";
import { categoryOf, EarshotError } from "@earshot/proto/errors.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import { Drain } from "./drain.ts";
import { aborted, endedTwice, notStarted, stopped, utteranceTooLong } from "./failures.ts";
import type { Capabilities, Recogniser, Recognition, Utterance } from "./port.ts";
import { resample } from "./resample.ts";
import type { RecogniserSettings } from "./settings.ts";
import { UtteranceAudio } from "./utterance-audio.ts";

export type FallbackDeps = { readonly settings: RecogniserSettings; readonly log: Log; readonly metrics: Metrics; readonly clock: Clock };

/**
 * @param engines best first, at least one; the chain starts and stops them
 * @returns a recogniser that promises what every one of them can do, and fails only where all fail
 */
export function fallbackRecogniser(engines: readonly Recogniser[], deps: FallbackDeps): Recogniser {
  const { settings, clock } = deps;
  const id = `fallback(${engines.map((engine) => engine.id).join(",")})`;
  const log = deps.log.child({ component: "recogniser:fallback" });
  const takeovers = deps.metrics.counter("earshot_recogniser_takeovers_total", "Utterances an engine failed on and the next one took", [
    "engine",
    "category",
  ]);
  const circuits = deps.metrics.gauge("earshot_recogniser_circuit_open", "1 while a fallback chain passes the engine over", ["engine"]);
  /** The first engine's, whose rate never changes. */
  const { sampleRate } = engines[0]!.capabilities;
  const capabilities = () => promised(engines.map((engine) => engine.capabilities));
  const links = engines.map((engine) => ({
    engine,
    started: false,
    breaker: new CircuitBreaker({ failures: settings.breakerFailures, openMs: settings.breakerOpenMs }, clock, (isOpen) => {
      circuits.set({ engine: engine.id }, isOpen ? 1 : 0);
      if (isOpen) log.warn({ engine: engine.id, openMs: settings.breakerOpenMs }, "speech engine is passed over after repeated failures");
      else log.info({ engine: engine.id }, "speech engine is used again");
    }),
  }));
  const open = new Set<{ fail(error: EarshotError): void }>();
  const drain = new Drain(open, clock);
  let running = false;

  return {
    name: "recogniser:fallback",
    id,
    get version() {
      return engines.map((engine) => engine.version).join(",");
    },
    get capabilities() {
      return capabilities();
    },
    get fault() {
      const passedOver = links.filter(({ started, breaker }) => running && (!started || breaker.state !== "closed"));
      return passedOver.length === 0 ? undefined : `passed over: ${passedOver.map(({ engine }) => engine.id).join(", ")}`;
    },

    async start() {
      const failures: unknown[] = [];
      for (const link of links) {
        try {
          await link.engine.start();
          link.started = true;
        } catch (error) {
          failures.push(error);
          log.error({ engine: link.engine.id, err: error }, "speech engine could not be started; the chain goes on without it");
        }
      }
      if (links.every((link) => !link.started)) throw failures[0];
      running = true;
    },

    async stop(deadlineMs) {
      running = false;
      await drain.wait(deadlineMs);
      for (const utterance of [...open]) utterance.fail(stopped(id));
      await Promise.all(links.filter((link) => link.started).map((link) => link.engine.stop(0)));
    },

    utterance(options): Utterance {
      if (!running) throw notStarted(id);
      const audio = new UtteranceAudio((settings.utteranceAudioMs * sampleRate) / 1000);
      const { partials } = capabilities();
      let next = 0;
      let current: { utterance: Utterance; link: (typeof links)[number] } | undefined;
      let ended = false;
      let settled = false;
      let failure: EarshotError | undefined;
      let resolveEnd: (recognition: Recognition) => void = () => {};
      let rejectEnd: (error: EarshotError) => void = () => {};

      const settle = (result: Recognition | EarshotError) => {
        if (settled) return;
        settled = true;
        audio.clear();
        open.delete(handle);
        drain.oneIsOver();
        if (result instanceof EarshotError) {
          failure = result;
          current?.utterance.abort();
          rejectEnd(result);
        } else resolveEnd(result);
      };
      const handle = { fail: settle as (error: EarshotError) => void };

      const give = (pcm: Int16Array) => {
        if (current !== undefined) current.utterance.feed(resample(pcm, sampleRate, current.link.engine.capabilities.sampleRate));
      };
      /** Opens the utterance at the next engine that takes it, and brings it up to date. */
      const advance = (): void => {
        current = undefined;
        while (next < links.length) {
          const link = links[next++]!;
          if (!link.started || !link.breaker.admits()) continue;
          try {
            const attempt = {
              link,
              utterance: link.engine.utterance({
                ...options,
                onPartial:
                  options.onPartial === undefined || !partials
                    ? undefined
                    : (text, words) => {
                        if (!settled && current === attempt) options.onPartial?.(text, words);
                      },
              }),
            };
            current = attempt;
          } catch (error) {
            note(link, error);
            continue;
          }
          if (audio.samples > 0) give(audio.joined());
          if (ended) conclude();
          return;
        }
        settle(failure ?? allOpen(id));
      };
      const note = (link: (typeof links)[number], error: unknown) => {
        const category = categoryOf(error);
        failure =
          error instanceof EarshotError
            ? error
            : new EarshotError("bug", "recogniser_failed", "The speech engine failed unexpectedly.", { cause: error });
        // These tell of the utterance (its language, its length), not of the engine.
        if (category === "cancelled" || category === "invalid_request") link.breaker.forgotten();
        else link.breaker.failed();
        takeovers.inc({ engine: link.engine.id, category });
      };
      const conclude = () => {
        const attempt = current!;
        attempt.utterance.end().then(
          (recognition) => {
            attempt.link.breaker.succeeded();
            settle(recognition);
          },
          (error: unknown) => {
            if (settled) return attempt.link.breaker.forgotten();
            note(attempt.link, error);
            advance();
          },
        );
      };

      open.add(handle);
      advance();
      if (failure !== undefined && settled) throw failure;
      return {
        feed(pcm) {
          if (settled || ended || pcm.length === 0) return;
          audio.append(pcm);
          if (!audio.overflowed) give(pcm);
        },
        drained: async () => current?.utterance.drained?.(),
        end() {
          if (ended) return Promise.reject(endedTwice());
          ended = true;
          if (settled) return Promise.reject(failure ?? aborted());
          return new Promise<Recognition>((resolve, reject) => {
            resolveEnd = resolve;
            rejectEnd = reject;
            if (audio.overflowed) settle(utteranceTooLong(id, settings.utteranceAudioMs));
            else conclude();
          });
        },
        abort() {
          current?.link.breaker.forgotten();
          settle(aborted());
        },
      };
    },

    legEnded(call, leg) {
      for (const { engine } of links) engine.legEnded(call, leg);
    },
  };
}

/** What holds whichever engine answers. */
export function promised(each: readonly Capabilities[]): Capabilities {
  const lists = each.flatMap(({ languages }) => (languages === "any" ? [] : [languages]));
  return {
    partials: each.every((one) => one.partials),
    words: each.every((one) => one.words),
    vocabulary: each.every((one) => one.vocabulary === true),
    languages: lists.length === 0 ? "any" : lists.reduce((common, list) => common.filter((language) => list.includes(language))),
    sampleRate: each[0]!.sampleRate,
    concurrency: Math.min(...each.map((one) => one.concurrency)),
  };
}

const allOpen = (engine: string) =>
  new EarshotError("unavailable", "no_engine_available", "Every speech engine of the chain is passed over at the moment.", {
    details: { engine },
  });
