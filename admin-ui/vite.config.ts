import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where the development server finds the API; the product serves pages and API from one port. */
const api = process.env.EARSHOT_API ?? "http://127.0.0.1:8080";

// `root` is set so that the build is the same from the repository root and from here.
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    // Inlined fonts and workers would need data: in the content security policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: { "/api": { target: api, ws: true } } },
});
