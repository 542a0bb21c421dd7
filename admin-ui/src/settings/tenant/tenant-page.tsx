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
  const queries = useQueryClient();
  const notify = useNotify();
  const save = useMutation({
    mutationFn: () => request("/tenant", { method: "PATCH", body: inputOf(fields, values) }),
    onSuccess: async () => {
      rememberSession(null);
      await queries.invalidateQueries();
      notify("The tenant's settings are saved.", { type: "info" });
    },
  });
  const faults = save.error instanceof ApiFailure ? faultsOf(save.error.details) : {};
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
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
          onChange={(value) => setValues((before) => ({ ...before, [field.name]: value }))}
        />
      ))}
      {save.error !== null && <ErrorNote title="The settings were not saved." error={save.error} loss="What you typed is still here." />}
      <div>
        <Button type="submit" variant="contained" size="medium" disabled={save.isPending}>
          {save.isPending ? "Saving" : "Save"}
        </Button>
      </div>
    </form>
  );
}
