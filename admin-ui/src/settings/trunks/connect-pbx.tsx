import ContentCopy from "@mui/icons-material/ContentCopyOutlined";
import IconButton from "@mui/material/IconButton";
import { useNotify } from "react-admin";
import { copyText } from "../../format/copy-text.ts";
import { addressName } from "../../format/words.ts";
import { useStatus } from "../../frame/demo-call.ts";

/** The address as a PBX is given it: what is not said is UDP (RFC 3261 19.1.1). */
const uriOf = (name: string, address: string) =>
  name === "sip/tls" ? `sips:${address}` : `sip:${address}${name === "sip/tcp" ? ";transport=tcp" : ""}`;

/** How a PBX comes to send its calls here, and where to look when it does not; open from the start where none has been admitted yet. */
export function ConnectPbx({ open }: { open: boolean }) {
  const { data: status } = useStatus();
  const notify = useNotify();
  const addresses = Object.entries(status?.addresses ?? {});
  const sip = addresses.filter(([name]) => name.startsWith("sip"));
  const rtp = addresses.find(([name]) => name === "rtp")?.[1];
  const copy = async (text: string) => {
    if (await copyText(text)) notify(`${text} is copied.`, { type: "info" });
    else notify(`The browser does not let us copy. The address: ${text}`, { type: "warning" });
  };
  return (
    <details className="panel connect" open={open}>
      <summary>How to connect a PBX or SBC, and where to look when no call comes</summary>
      <div className="connect-parts">
        <ol className="connect-steps">
          <li>
            Give its SIPREC recording, or recording server (SRS), this address:
            <ul>
              {sip.map(([name, address]) => (
                <li key={name} className="row">
                  <code>{uriOf(name, address)}</code> <span className="faint small">{addressName(name)}</span>
                  <IconButton aria-label={`Copy ${uriOf(name, address)}`} title="Copy" onClick={() => void copy(uriOf(name, address))}>
                    <ContentCopy />
                  </IconButton>
                </li>
              ))}
            </ul>
          </li>
          <li>
            Make a trunk with the address that it sends from. Or place a call through it first: it is refused with 403 and stands under{" "}
            <b>Turned away</b>, where the installation's administrators allow it.
          </li>
          <li>Place another call: it appears on the live board with its first packet, agent and caller apart.</li>
        </ol>
        <dl className="connect-faults">
          <dt>No call, and nothing under Turned away</dt>
          <dd>
            Its packets do not arrive. Look at the address it was given, and at firewalls: SIP{rtp !== undefined && `, and audio to ${rtp}`}
            .
          </dd>
          <dt>A call without words that ends as “No audio any more”</dt>
          <dd>SIP arrives, its audio does not: a firewall stands before the ports for audio, or the PBX forks none.</dd>
          <dt>“One side is not heard at all”</dt>
          <dd>Packets of that side come without any sound: look at what the PBX forks of it.</dd>
          <dt>Agent and caller are taken for each other</dt>
          <dd>Tell Earshot the extensions, or which stream comes first in the trunk's form. “Swap agent and caller” corrects one call.</dd>
          <dt>Answered 400 or 488</dt>
          <dd>Its SIPREC is unusual; the answer names what is missing. “Accept unusual SIPREC” in the trunk's form takes more of it.</dd>
          <dt>Asterisk, Grandstream UCM</dt>
          <dd>They send no SIPREC of their own: let the trunk pass through an SBC that does, such as OpenSIPS.</dd>
        </dl>
      </div>
    </details>
  );
}
