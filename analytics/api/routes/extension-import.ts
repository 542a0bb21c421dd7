/** POST /extensions/import: what can be read is taken, what cannot comes back line by line. */
import { randomUUID } from "node:crypto";
import type { Extension } from "@earshot/proto/api/administration.ts";
import { EarshotError } from "@earshot/proto/errors.ts";
import { z } from "zod";
import { who } from "../access-control.ts";
import type { Api, ApiContext } from "../context.ts";
import { readExtensionCsv } from "../extension-csv.ts";
import { completeExtension } from "./setting-lists.ts";

const answer = z.object({
  created: z.number().int(),
  updated: z.number().int(),
  errors: z
    .array(z.object({ line: z.number().int(), text: z.string(), problem: z.string() }))
    .describe("lines that were not taken, as sent"),
});

export function extensionImportRoutes(api: Api, context: ApiContext): void {
  const { directory, settings, tenantSettings } = context;
  api.addContentTypeParser("text/csv", { parseAs: "string" }, (_request, body, done) => done(null, body));
  api.post(
    "/extensions/import",
    {
      config: { access: "admin" },
      schema: {
        tags: ["extensions"],
        summary: "Import from CSV: number, agentName, agentId, team; a known number is updated",
        consumes: ["text/csv"],
        body: z.string(),
        response: { 200: answer },
      },
    },
    async (request) => {
      const { tenant, actor } = who(request);
      const lines = readExtensionCsv(request.body);
      if (lines.length === 0) throw new EarshotError("invalid_request", "csv_empty", "There is no line in the file.");
      const known = new Map((await directory.extensions(tenant.id)).map((extension) => [extension.number, extension]));
      const save: Extension[] = [];
      const errors: z.infer<typeof answer>["errors"] = [];
      let created = 0;
      for (const item of lines) {
        if ("problem" in item) {
          errors.push(item);
          continue;
        }
        const before = known.get(item.input.number);
        if (before === undefined && known.size + created >= settings.extensionsPerTenant) {
          errors.push({ line: item.line, text: item.text, problem: `There are ${settings.extensionsPerTenant} extensions already.` });
          continue;
        }
        if (before === undefined) created += 1;
        save.push(completeExtension(item.input, before?.id ?? randomUUID()));
      }
      if (save.length > 0) {
        await directory.saveExtensions(tenant.id, save, tenantSettings.check);
        const updated = save.length - created;
        await directory.audit(tenant.id, {
          actor,
          action: "extension.import",
          subject: "",
          details: { created, updated, refused: errors.length },
        });
        await tenantSettings.publish(tenant.id);
      }
      return { created, updated: save.length - created, errors };
    },
  );
}
