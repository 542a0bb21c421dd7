import Button from "@mui/material/Button";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useNotify } from "react-admin";
import { rememberSession } from "../../api-client/auth-provider.ts";
import { ApiFailure, request } from "../../api-client/request.ts";
import { ErrorNote } from "../../frame/error-note.tsx";
import { SkeletonRows } from "../../frame/skeleton.tsx";
import { type Field, FieldInput, faultsOf, inputOf } from "../fields.tsx";
import type { TenantSettings } from "../types.ts";

function zones(): (readonly [string, string])[] {
  const known = typeof Intl.supportedValuesOf === "function" ? Intl.supportedValuesOf("timeZone") : [];
  return ["UTC", ...known].map((zone) => [zone, zone.replaceAll("_", " ")] as const);
}

const fields: readonly Field[] = [
  { name: "name", label: "Name", kind: "text", required: true, help: "Stands at the top of every page." },
  {
    name: "timezone",
    label: "Time zone",
    kind: "choice",
    choices: zones(),
    help: "Every time on every page, and what a day is, follows it.",
  },
  { name: "language", label: "Language of the calls", kind: "text", help: "Such as en-GB. Empty: as the speech engine finds." },
  {
    name: "vocabulary",
    label: "Own words",
    kind: "lines",
    help: "Product and company names the speech engine should expect, one per line.",
  },
  {
    name: "retentionDays",
    label: "Days to keep calls",
    kind: "number",
    min: 0,
    max: 3650,
    help: "Older calls are deleted within the hour, for good: record, words and recording. 0 keeps them for ever. Backups keep what they hold.",
  },
];

export default function TenantPage() {
  const tenant = useQuery({ queryKey: ["tenant"], queryFn: ({ signal }) => request<TenantSettings>("/tenant", { signal }) });
  return (
    <>
      <div className="page-head">
        <h1>Tenant</h1>
      </div>
      {tenant.error !== null && (
        <ErrorNote title="The tenant's settings could not be loaded." error={tenant.error} retry={() => void tenant.refetch()} />
      )}
      {tenant.isPending && <SkeletonRows rows={4} height={72} />}
      {tenant.data !== undefined && <TenantForm tenant={tenant.data} />}
    </>
  );
}

function TenantForm({ tenant }: { tenant: TenantSettings }) {
  const [values, setValues] = useState<Record<string, unknown>>({ ...tenant });
  const [asking, setAsking] = useState(false);
  const queries = useQueryClient();
  const notify = useNotify();
  const save = useMutation({
    mutationFn: () => request("/tenant", { method: "PATCH", body: inputOf(fields, values) }),
    onSettled: () => setAsking(false),
    onSuccess: async () => {
      rememberSession(null);
      await queries.invalidateQueries();
      notify("The tenant's settings are saved.", { type: "info" });
    },
  });
  const faults = save.error instanceof ApiFailure ? faultsOf(save.error.details) : {};
  const days = Number(values.retentionDays ?? 0);
  const before = tenant.retentionDays ?? 0;
  const deletes = days > 0 && (before === 0 || days < before);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (deletes && !asking) setAsking(true);
    else save.mutate();
  };
  return (
    <form className="single-form" onSubmit={submit}>
      {fields.map((field) => (
        <FieldInput
          key={field.name}
          field={field}
          value={values[field.name]}
          fault={faults[field.name]}
          autoFocus={false}
          onChange={(value) => {
            setAsking(false);
            setValues((before) => ({ ...before, [field.name]: value }));
          }}
        />
      ))}
      {save.error !== null && <ErrorNote title="The settings were not saved." error={save.error} loss="What you typed is still here." />}
      {asking ? (
        <div className="confirm-row" role="alert">
          <span>{`Delete every call that began more than ${days} ${days === 1 ? "day" : "days"} ago, for good?`}</span>
          <Button type="submit" variant="outlined" color="error" size="medium" disabled={save.isPending} autoFocus>
            {save.isPending ? "Saving" : "Save and delete"}
          </Button>
          <Button variant="text" size="medium" onClick={() => setAsking(false)}>
            Go back
          </Button>
        </div>
      ) : (
        <div>
          <Button type="submit" variant="contained" size="medium" disabled={save.isPending}>
            {save.isPending ? "Saving" : "Save"}
          </Button>
        </div>
      )}
    </form>
  );
}
