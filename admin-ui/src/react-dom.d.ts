// react-dom ships no types, and `@types/react-dom` is not among the dependencies: this is all of it that we call.
declare module "react-dom/client" {
  import type { ReactNode } from "react";
  export function createRoot(container: Element): { render(children: ReactNode): void; unmount(): void };
}
