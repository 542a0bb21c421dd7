/** What the fake API says of itself: its services, adapters, addresses and speech engine. */

export function speechEngine(usable: boolean) {
  return usable
    ? {
        engine: "pocketsphinx",
        usable,
        reason: "Installed on this machine; nothing may be downloaded and no key is set.",
        remedy: "Set OPENAI_API_KEY for a better one.",
      }
    : {
        engine: "none",
        usable,
        reason: "pocketsphinx is not installed, nothing may be downloaded and no key is set.",
        remedy: "Run “apt install libpocketsphinx3 pocketsphinx-en-us” and restart, or set OPENAI_API_KEY.",
      };
}

export function servicesAnswer() {
  const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
  const late = [{ part: "speech engine", state: "degraded", detail: "an utterance has waited 12 s for its words" }];
  const one = (name: string, instance: string, state: string, heardMs = 1000, reasons: unknown[] = []) => {
    return { service: name, instance, version: "0.1.0", startedAt: ago(5_000_000), heardAt: ago(heardMs), state, reasons };
  };
  const data = [
    one("analytics-api", "console-1/41", "up"),
    one("analytics-ingest", "ingest-1/17", "up"),
    one("media-pipeline", "worker-1/23", "degraded", 1000, late),
    one("media-pipeline", "worker-2/22", "gone", 240_000),
    one("sip-gateway", "gateway-1/9", "up"),
  ];
  return { data, total: data.length };
}

export function statusAnswer(liveCalls: number, speechUsable: boolean) {
  return {
    version: "0.1.0",
    startedAt: new Date(Date.now() - 5_000_000).toISOString(),
    ready: true,
    adapters: {
      "event log": "embedded",
      "column store": "chdb",
      "directory store": "embedded PostgreSQL",
      "object store": "file",
      signalling: "embedded",
    },
    addresses: {
      web: "http://192.0.2.14:8080",
      "sip/udp": "192.0.2.14:5060",
      "sip/tcp": "192.0.2.14:5060",
      rtp: "192.0.2.14:20000-20999",
    },
    speech: speechEngine(speechUsable),
    demo: {
      available: true,
      scenarios: [
        { id: "billing", title: "Billing dispute", seconds: 74 },
        { id: "service", title: "Moving house", seconds: 31 },
        { id: "bad-line", title: "A PBX with a codec that will not connect", seconds: 24 },
      ],
    },
    liveCalls,
  };
}
