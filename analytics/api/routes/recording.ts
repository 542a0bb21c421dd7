/**
 * GET and HEAD /calls/{id}/recording: the WAV file, with ranges (RFC 9110 section 14), so that a player can seek. Nobody listens unseen: the
 * audit entry is written before the first byte is handed over, and where it cannot be written there is nothing to hear.
 */
import { Readable } from "node:stream";
import { EarshotError } from "@earshot/proto/errors.ts";
import { z } from "zod";
import { who } from "../access-control.ts";
import { byteRange } from "../byte-range.ts";
import { callUnknown } from "../call-control.ts";
import type { Api, ApiContext } from "../context.ts";
import { callParameter } from "./calls.ts";

export function recordingRoutes(api: Api, context: ApiContext): void {
  const { calls, liveCalls, objectStore, directory, settings } = context;
  api.route({
    method: ["GET", "HEAD"],
    url: "/calls/:id/recording",
    exposeHeadRoute: false,
    schema: {
      tags: ["calls"],
      summary: "The recording (WAV), with HTTP ranges",
      params: callParameter,
      querystring: z.object({ download: z.stringbool().optional() }),
      produces: ["audio/wav"],
    },
    handler: async (request, reply) => {
      const { tenant, actor } = who(request);
      const { id } = request.params;
      const recording = await calls.recording(tenant.id, id);
      // Stored keys begin with the tenant; the object store adds it by itself, so that no key reaches another tenant's objects.
      const name = recording?.objectKey.replace(`tenants/${tenant.id}/`, "");
      const object = name === undefined ? undefined : await objectStore.stat(tenant.id, name);
      if (name === undefined || object === undefined) {
        const live = liveCalls.get(tenant.id, id);
        if (live === undefined && (await calls.getCall(tenant.id, id)) === undefined) throw callUnknown();
        throw new EarshotError("not_found", "recording_not_there", "There is no recording of this call.", {
          remedy: live?.endedAt === null ? "It is stored when the call has ended." : "The call's ledger says why.",
        });
      }
      const etag = `"${object.sha256}"`;
      const isKept = request.headers["if-none-match"]?.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag) === true;
      const ifRange = request.headers["if-range"];
      const range = ifRange === undefined || ifRange === etag ? byteRange(request.headers.range, object.bytes) : "whole";
      const isDownload = request.query.download === true;
      // What the client has kept already is played from there: 304 is listening too.
      if (request.method === "GET" && (isKept || range !== "unsatisfiable")) {
        const entry = { actor, action: isDownload ? "call.recording.download" : "call.recording.listen", subject: id };
        await directory.auditOnce(tenant.id, { ...entry, details: { source: request.ip } }, settings.listeningMinutes * 60_000);
      }
      const fileName = `${id.replace(/[^A-Za-z0-9._-]/g, "_")}.wav`;
      void reply
        .header("accept-ranges", "bytes")
        .header("etag", etag)
        .header("cache-control", "private, no-cache")
        .header("content-type", "audio/wav")
        .header("content-disposition", `${isDownload ? "attachment" : "inline"}; filename="${fileName}"`);
      if (isKept) return reply.status(304).send();
      if (range === "unsatisfiable") {
        void reply
          .removeHeader("content-disposition")
          .header("content-range", `bytes */${object.bytes}`)
          .header("content-type", "application/json");
        return reply.status(416).send(
          JSON.stringify({
            error: {
              code: "range_not_satisfiable",
              category: "invalid_request",
              message: "The range lies beyond the recording.",
              remedy: "",
              requestId: request.id,
            },
          }),
        );
      }
      if (range !== "whole") void reply.status(206).header("content-range", `bytes ${range.start}-${range.end}/${object.bytes}`);
      void reply.header("content-length", range === "whole" ? object.bytes : range.end - range.start + 1);
      if (request.method === "HEAD") return reply.send();
      const content = await objectStore.get(tenant.id, name, range === "whole" ? undefined : range);
      return reply.send(Readable.from(content, { objectMode: false }));
    },
  });
}
