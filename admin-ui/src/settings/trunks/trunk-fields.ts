import type { Field } from "../fields.tsx";

export const trunkFields: readonly Field[] = [
  { name: "name", label: "Name", kind: "text", required: true, help: "As your people call this PBX or SBC." },
  { name: "enabled", label: "Admits calls", kind: "flag" },
  {
    name: "sourceNetworks",
    label: "Source networks",
    kind: "lines",
    help: "One address or block per line, such as 10.20.0.0/24. A call from here belongs to this trunk.",
  },
  { name: "tlsPeers", label: "TLS peers", kind: "lines", help: "Names in the client's certificate, one per line." },
  {
    name: "requestUsers",
    label: "Request users",
    kind: "lines",
    help: "The part before @ of the address the PBX sends to, for PBXs behind one address.",
  },
  { name: "requestHosts", label: "Request hosts", kind: "lines", help: "The part after @." },
  { name: "queue", label: "Queue", kind: "text", help: "For calls that name none." },
  {
    name: "labelOrder",
    label: "Whose stream comes first",
    kind: "choice",
    help: "Only asked when neither extensions nor numbers tell agent and caller apart.",
    choices: [
      ["agent-first", "The agent's"],
      ["caller-first", "The caller's"],
    ],
  },
  {
    name: "maxCalls",
    label: "Calls at once",
    kind: "number",
    min: 0,
    max: 100_000,
    help: "0 = no limit of its own. Beyond it a call gets 503 and the PBX may try elsewhere.",
  },
  { name: "lenientSiprec", label: "Accept unusual SIPREC", kind: "flag", help: "Some PBXs leave out what RFC 7866 asks for." },
  {
    name: "acceptWithoutMetadata",
    label: "Accept calls without metadata",
    kind: "flag",
    help: "They are recorded; who spoke is then a guess.",
  },
  { name: "requireSrtp", label: "Only encrypted audio (SRTP)", kind: "flag" },
];

export const blankTrunk = {
  enabled: true,
  sourceNetworks: [],
  tlsPeers: [],
  requestUsers: [],
  requestHosts: [],
  queue: "",
  labelOrder: "agent-first",
  maxCalls: 0,
  lenientSiprec: false,
  acceptWithoutMetadata: true,
  requireSrtp: false,
};
