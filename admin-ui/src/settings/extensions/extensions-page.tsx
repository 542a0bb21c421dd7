import type { Extension } from "@earshot/proto/api/administration.ts";
import UploadFile from "@mui/icons-material/UploadFileOutlined";
import Button from "@mui/material/Button";
import { useState } from "react";
import { SettingList } from "../setting-list.tsx";
import { ImportDialog } from "./import-dialog.tsx";

export default function ExtensionsPage() {
  const [importing, setImporting] = useState(false);
  return (
    <>
      <SettingList<Extension>
        resource="extensions"
        title="Extensions"
        noun="extension"
        intro="Which number belongs to which agent. Earshot takes the leg with a known extension for the agent's, and shows the name instead of the number."
        sort="number"
        searchable
        fields={[
          { name: "number", label: "Number", kind: "text", required: true, help: "As the PBX sends it: 2101, or the part before @." },
          { name: "agentName", label: "Agent's name", kind: "text", required: true },
          { name: "agentId", label: "Agent id", kind: "text", help: "Of your own systems, if you have one." },
          { name: "team", label: "Team", kind: "text" },
        ]}
        blank={{ agentId: "", team: "" }}
        empty="Add them one by one, or import a CSV file."
        nameOf={(extension) => extension.number}
        columns={[
          { label: "Number", cell: (extension) => extension.number },
          { label: "Agent", cell: (extension) => extension.agentName },
          { label: "Team", cell: (extension) => <span className="muted">{extension.team || "–"}</span> },
          { label: "Agent id", cell: (extension) => <span className="muted">{extension.agentId || "–"}</span> },
        ]}
        actions={
          <Button variant="outlined" startIcon={<UploadFile />} onClick={() => setImporting(true)}>
            Import CSV
          </Button>
        }
      />
      {importing && <ImportDialog onClose={() => setImporting(false)} />}
    </>
  );
}
