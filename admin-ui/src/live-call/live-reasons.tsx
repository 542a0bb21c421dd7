import type { BoardCall } from "../live-connection/live-store.ts";
import { AlertList, ReasonList } from "../marks/reasons-and-alerts.tsx";

interface Props {
  call: BoardCall;
  onShow: (atMs: number, segmentId?: string) => void;
}

/** Why somebody should look: reasons with their points, and alerts, the newest first; each leads to the words behind it. */
export function LiveReasons({ call, onShow }: Props) {
  return (
    <aside className="live-reasons" aria-label="Attention and alerts">
      <section>
        <h2>Attention {Math.round(call.attention)} of 100</h2>
        <ReasonList reasons={call.attentionReasons} none="Nothing asks for you here." onShow={onShow} />
      </section>
      <section>
        <h2>Alerts</h2>
        <AlertList alerts={call.alerts.toSorted((a, b) => b.atMs - a.atMs)} none="No phrase rule has been met." onShow={onShow} />
      </section>
    </aside>
  );
}
