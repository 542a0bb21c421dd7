import type { PhraseRule } from "@earshot/proto/api/administration.ts";
import { AlertIcon } from "../../marks/alert-icon.tsx";
import { SettingList } from "../setting-list.tsx";

const severityName: Record<PhraseRule["severity"], string> = { info: "Information", warning: "Warning", critical: "Critical" };
const speakerOf: Record<PhraseRule["speaker"], string> = { agent: "Agent", caller: "Caller", any: "Either" };

export default function PhraseRulesPage() {
  return (
    <SettingList<PhraseRule>
      resource="phrase-rules"
      title="Phrase rules"
      noun="phrase rule"
      intro="An alert is raised while people speak: when one of the phrases is said, or when none of them has been said in time."
      sort="name"
      blank={{ enabled: true, kind: "said", phrases: [], speaker: "any", withinSeconds: 30, severity: "warning" }}
      empty="Begin with what must never be missed, such as a threat to cancel."
      nameOf={(rule) => rule.name}
      fields={[
        { name: "name", label: "Name", kind: "text", required: true, help: "As it stands on the alert." },
        { name: "enabled", label: "Raises alerts", kind: "flag" },
        {
          name: "kind",
          label: "When",
          kind: "choice",
          choices: [
            ["said", "One of the phrases is said"],
            ["not_said", "None of them was said in time"],
          ],
        },
        {
          name: "phrases",
          label: "Phrases",
          kind: "lines",
          help: "One per line. Upper case, punctuation and endings of the line do not matter.",
        },
        {
          name: "withinSeconds",
          label: "In time is within (seconds)",
          kind: "number",
          min: 1,
          max: 3600,
          when: (values) => values.kind === "not_said",
          help: "From the start of the call.",
        },
        {
          name: "speaker",
          label: "By whom",
          kind: "choice",
          choices: [
            ["any", "Either side"],
            ["agent", "The agent"],
            ["caller", "The caller"],
          ],
        },
        {
          name: "severity",
          label: "Severity",
          kind: "choice",
          choices: [
            ["info", "Information"],
            ["warning", "Warning"],
            ["critical", "Critical"],
          ],
        },
      ]}
      columns={[
        { label: "Name", cell: (rule) => rule.name },
        {
          label: "When",
          cell: (rule) => (
            <span className="muted">
              {rule.kind === "said" ? "Said: " : `Not said within ${rule.withinSeconds} s: `}
              {rule.phrases
                .slice(0, 2)
                .map((phrase) => `“${phrase}”`)
                .join(", ")}
              {rule.phrases.length > 2 && ` and ${rule.phrases.length - 2} more`}
            </span>
          ),
        },
        { label: "By", cell: (rule) => speakerOf[rule.speaker] },
        {
          label: "Severity",
          cell: (rule) => (
            <span className="row">
              <AlertIcon severity={rule.severity} /> {severityName[rule.severity]}
            </span>
          ),
        },
        {
          label: "State",
          cell: (rule) => <span className={`chip ${rule.enabled ? "tone-positive" : ""}`}>{rule.enabled ? "On" : "Off"}</span>,
        },
      ]}
    />
  );
}
