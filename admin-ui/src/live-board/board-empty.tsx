import PlayArrow from "@mui/icons-material/PlayArrowOutlined";
import Button from "@mui/material/Button";
import MenuItem from "@mui/material/MenuItem";
import Select from "@mui/material/Select";
import { useState } from "react";
import { Link } from "react-router-dom";
import { spokenDuration } from "../format/time.ts";
import { addressName } from "../format/words.ts";
import { useDemoCall, useStatus } from "../frame/demo-call.ts";
import { maySet, useSession } from "../frame/session-context.ts";

/** No call yet: what to connect, and a demo call to look at meanwhile. */
export function BoardEmpty() {
  const { data: status } = useStatus();
  const session = useSession();
  const demo = useDemoCall();
  const [chosen, setChosen] = useState("");
  const scenarios = status?.demo.scenarios ?? [];
  // The longest shows the most: words, moods and alerts need some time to come.
  const longest = scenarios.toSorted((a, b) => b.seconds - a.seconds)[0];
  const scenario = chosen || longest?.id || "";
  const sip = Object.entries(status?.addresses ?? {}).filter(([name]) => name.toLowerCase().includes("sip"));
  return (
    <div className="panel board-empty">
      <div className="board-empty-part">
        <h2>No call is up</h2>
        <p className="muted">Point your PBX's or SBC's recording (SIPREC) at Earshot, and each call appears here with its first packet.</p>
        {sip.length > 0 && (
          <dl className="addresses">
            {sip.map(([name, address]) => (
              <div key={name}>
                <dt>{addressName(name)}</dt>
                <dd>
                  <code>{address}</code>
                </dd>
              </div>
            ))}
          </dl>
        )}
        {maySet(session) && (
          <p className="muted">
            <Link to="/settings/trunks">Trunks</Link> tells how to connect it, and lists who was turned away, with a button to let them in.
          </p>
        )}
      </div>
      <div className="board-empty-part">
        <h2>Or see one now</h2>
        <p className="muted">
          A demo call is a real one: the built-in PBX sends SIP and audio to this Earshot, and two recorded voices talk.
        </p>
        {status !== undefined && !status.demo.available ? (
          <p className="faint">The demo PBX is not part of this installation.</p>
        ) : (
          <div className="row wrap">
            {scenarios.length > 0 && (
              <Select
                size="small"
                value={scenario}
                onChange={(event) => setChosen(event.target.value)}
                inputProps={{ "aria-label": "Which conversation" }}
                sx={{ width: 320, maxWidth: "100%" }}
              >
                {scenarios.map((each) => (
                  <MenuItem key={each.id} value={each.id}>
                    <span className="scenario">
                      <span className="clip">{each.title}</span>
                      <span className="faint small nowrap">{spokenDuration(each.seconds * 1000)}</span>
                    </span>
                  </MenuItem>
                ))}
              </Select>
            )}
            <Button
              variant="contained"
              size="medium"
              startIcon={<PlayArrow />}
              disabled={demo.isPending}
              onClick={() => demo.mutate(scenario || undefined)}
            >
              Place a demo call
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}
