import MicOffOutlined from "@mui/icons-material/MicOffOutlined";
import { useConnection } from "../live-connection/live-connection.ts";

/** Where no speech engine is usable: what is missing, and the one thing to do. */
export function EngineNote() {
  const { speech } = useConnection();
  if (speech === null || speech.usable) return null;
  return (
    <div className="note warn">
      <MicOffOutlined className="tone-uneasy" />
      <div>
        <strong>Calls are recorded and measured, but nothing turns speech into words.</strong> {speech.reason}
        <div className="muted">{speech.remedy}</div>
      </div>
    </div>
  );
}
