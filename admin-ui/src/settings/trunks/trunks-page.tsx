import type { Trunk } from "@earshot/proto/api/administration.ts";
import { useGetList } from "react-admin";
import { SettingList } from "../setting-list.tsx";
import { ConnectPbx } from "./connect-pbx.tsx";
import { Refusals } from "./refusals.tsx";
import { blankTrunk, trunkFields } from "./trunk-fields.ts";

const loopback = /^(127\.|::1)/;

/** What the first start makes for the demo calls, and no PBX of the tenant's. */
const onlyThisMachine = ({ sourceNetworks }: Trunk) =>
  sourceNetworks.length > 0 && sourceNetworks.every((network) => loopback.test(network));

export default function TrunksPage() {
  // The same question as the list's own: one request for both.
  const trunks = useGetList<Trunk>("trunks", { pagination: { page: 1, perPage: 100 }, sort: { field: "name", order: "ASC" }, filter: {} });
  return (
    <div className="settings-stack">
      <div>
        <SettingList<Trunk>
          resource="trunks"
          title="Trunks"
          noun="trunk"
          intro="A trunk is one PBX or SBC that may send its calls here, known by where it sends from. It decides to whom a call belongs."
          sort="name"
          fields={trunkFields}
          blank={blankTrunk}
          empty="Without a trunk every call is refused with 403."
          nameOf={(trunk) => trunk.name}
          columns={[
            { label: "Name", cell: (trunk) => trunk.name },
            { label: "Admits", cell: (trunk) => <span className="muted">{admits(trunk)}</span> },
            {
              label: "Calls at once",
              numeric: true,
              cell: (trunk) => (trunk.maxCalls === 0 ? "No limit" : trunk.maxCalls.toLocaleString("en-GB")),
            },
            { label: "Audio", cell: (trunk) => (trunk.requireSrtp ? "SRTP only" : "RTP or SRTP") },
            {
              label: "State",
              cell: (trunk) => <span className={`chip ${trunk.enabled ? "tone-positive" : ""}`}>{trunk.enabled ? "On" : "Off"}</span>,
            },
          ]}
        />
      </div>
      <div className="trunk-help">
        <ConnectPbx open={trunks.data?.every(onlyThisMachine) ?? false} />
        <Refusals />
      </div>
    </div>
  );
}

function admits(trunk: Trunk): string {
  const all = [
    ...trunk.sourceNetworks,
    ...trunk.tlsPeers.map((peer) => `TLS ${peer}`),
    ...trunk.requestUsers.map((user) => `${user}@`),
    ...trunk.requestHosts.map((host) => `@${host}`),
  ];
  if (all.length === 0) return "Nobody yet";
  return all.length > 3 ? `${all.slice(0, 3).join(", ")} and ${all.length - 3} more` : all.join(", ");
}
