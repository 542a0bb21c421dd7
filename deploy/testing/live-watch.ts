/** What the live socket of a running Earshot says, for tests. */
import type { LiveEvent, ServerMessage } from "@earshot/proto/api/live.ts";
import type { EarshotProcess } from "./earshot-process.ts";

export type LiveWatch = {
  readonly messages: ServerMessage[];
  readonly events: LiveEvent[];
  /** Where another socket would resume: of the newest message, but of no hello while what was missed is still to come. */
  readonly cursor: string;
  /** What comes after it is not taken any more. */
  close(): void;
};

/** @param resumed the cursor of a socket that was closed, to this API or another */
export function watchLive(earshot: Pick<EarshotProcess, "httpPort" | "apiKey">, resumed?: string): LiveWatch {
  const messages: ServerMessage[] = [];
  const events: LiveEvent[] = [];
  let cursor = resumed ?? "";
  const socket = new WebSocket(`ws://127.0.0.1:${earshot.httpPort}/api/v1/live`, [`bearer.${earshot.apiKey}`]);
  const take = ({ data }: MessageEvent): void => {
    const message = JSON.parse(String(data)) as ServerMessage;
    messages.push(message);
    if ("cursor" in message && (message.type !== "hello" || resumed === undefined)) cursor = message.cursor;
    if (message.type === "batch") events.push(...message.events);
  };
  socket.addEventListener("message", take);
  if (resumed !== undefined) socket.addEventListener("open", () => socket.send(JSON.stringify({ type: "resume", cursor: resumed })));
  return {
    messages,
    events,
    get cursor() {
      return cursor;
    },
    close() {
      socket.removeEventListener("message", take);
      socket.close();
    },
  };
}
