import "@fontsource-variable/inter/index.css";
import "./theme/base.css";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { startTheme } from "./theme/theme-mode.ts";

startTheme();
const root = document.getElementById("root");
if (root !== null) createRoot(root).render(<App />);
