/** The built UI: hashed assets for ever, the page itself never from a cache; every path of the app answers with the page. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { EarshotError } from "@earshot/proto/errors.ts";
import fastifyStatic from "@fastify/static";
import type { FastifyReply } from "fastify";
import type { Api, ApiContext } from "../context.ts";

const page = "index.html";

export async function pageRoutes(api: Api, context: Pick<ApiContext, "uiDirectory">): Promise<void> {
  const { uiDirectory } = context;
  const built = uiDirectory !== undefined && existsSync(join(uiDirectory, page));
  if (built) {
    await api.register(fastifyStatic, {
      root: uiDirectory,
      index: false,
      // Looked up as they are asked for: pages that are built anew while the server runs are served at once.
      wildcard: true,
      allowedPath: (path) => !path.endsWith(".map"),
      cacheControl: false,
      setHeaders: (reply, path) => {
        // Vite puts a hash of the content into the name of everything below assets/.
        const hashed = /[/\\]assets[/\\]/.test(path);
        reply.header("cache-control", hashed ? "public, max-age=31536000, immutable" : "no-cache");
      },
      schemaHide: true,
    } as Parameters<typeof fastifyStatic>[1] & object);
  }
  const sendPage = (reply: FastifyReply) => reply.header("cache-control", "no-cache").sendFile(page);
  if (built) api.get("/", { schema: { hide: true } }, async (_request, reply) => sendPage(reply));

  api.setNotFoundHandler(async (request, reply) => {
    const path = request.url.split("?")[0] ?? "/";
    const asked = request.method === "GET" || request.method === "HEAD";
    const isFile = /\.[A-Za-z0-9]{1,8}$/.test(path);
    if (built && asked && !path.startsWith("/api/") && !path.startsWith("/assets/") && !isFile) return sendPage(reply);
    throw new EarshotError("not_found", "no_such_path", "There is nothing at this address.", {
      remedy: built || path.startsWith("/api/") ? "The API is described at /api/docs." : "The pages are not built; start with npm start.",
    });
  });
}
