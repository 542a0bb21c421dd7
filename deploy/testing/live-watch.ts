/** Everything that the live socket of a running Earshot says, for tests. */
import type { LiveEvent, ServerMessage } from "@earshot/proto/api/live.ts";
import type { EarshotProcess } from "./earshot-process.ts";

export type LiveWatch = { readonly messages: ServerMessage[]; readonly events: LiveEvent[]; close(): void };

export function watchLive(earshot: Pick<EarshotProcess, "httpPort" | "apiKey">): LiveWatch {
  const messages: ServerMessage[] = [];
  const events: LiveEvent[] = [];
  const socket = new WebSocket(`ws://127.0.0.1:${earshot.httpPort}/api/v1/live`, [`bearer.${earshot.apiKey}`]);
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as ServerMessage;
    messages.push(message);
    if (message.type === "batch") events.push(...message.events);
  });
  return { messages, events, close: () => socket.close() };
}
