import HeadphonesOutlined from "@mui/icons-material/HeadphonesOutlined";
import Button from "@mui/material/Button";
import Slider from "@mui/material/Slider";
import { agentOf, callerOf } from "../format/words.ts";
import { listenTo, setListenVolume, useListening, useLiveCall } from "../live-connection/live-connection.ts";
import "./listen-bar.css";

/** Shown while somebody listens to a live call: to whom, each side's volume, stop. */
export function ListenBar() {
  const listening = useListening();
  const call = useLiveCall(listening.callId ?? "");
  if (listening.callId === null) return null;
  return (
    <section className="listen-bar" aria-label="Listening">
      <HeadphonesOutlined className={listening.on ? "listen-on" : "faint"} />
      <div className="clip listen-who" role="status">
        <strong>{listening.on ? "Listening" : "Connecting the audio"}</strong>
        {call !== undefined && (
          <span className="muted">
            {" "}
            · {agentOf(call)} and {callerOf(call)}
          </span>
        )}
        {listening.problem !== "" && <span className="tone-uneasy"> · {listening.problem}</span>}
      </div>
      {(["agent", "caller"] as const).map((side) => (
        <div key={side} className="listen-volume">
          <span className="small muted" aria-hidden="true">
            {side === "agent" ? "Agent" : "Caller"}
          </span>
          <Slider
            size="small"
            min={0}
            max={1}
            step={0.05}
            value={listening.volumes[side]}
            onChange={(_, value) => setListenVolume(side, value as number)}
            aria-label={`${side === "agent" ? "Agent" : "Caller"} volume`}
            getAriaValueText={(value) => `${Math.round(value * 100)} percent`}
          />
        </div>
      ))}
      <Button variant="outlined" onClick={() => listenTo(null)}>
        Stop
      </Button>
    </section>
  );
}
