/** Which theme is shown: the person's choice, else what the operating system prefers. Writes the palette as CSS variables. */
import { useSyncExternalStore } from "react";
import { dark, light } from "./palette.ts";

export type ThemeChoice = "system" | "light" | "dark";
export type ThemeMode = "light" | "dark";

const storageKey = "earshot.theme";
const listeners = new Set<() => void>();

function stored(): ThemeChoice {
  const value = localStorage.getItem(storageKey);
  return value === "light" || value === "dark" ? value : "system";
}

const prefersDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

export function currentMode(): ThemeMode {
  const choice = stored();
  return choice === "system" ? (prefersDark() ? "dark" : "light") : choice;
}

function apply(): void {
  const mode = currentMode();
  const root = document.documentElement;
  for (const [name, value] of Object.entries(mode === "dark" ? dark : light)) {
    root.style.setProperty(`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replace(/(\d)/, "-$1")}`, value);
  }
  root.dataset.theme = mode;
  root.style.colorScheme = mode;
  for (const listener of listeners) listener();
}

/** Call once before the first render. */
export function startTheme(): void {
  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
}

export function chooseTheme(choice: ThemeChoice): void {
  if (choice === "system") localStorage.removeItem(storageKey);
  else localStorage.setItem(storageKey, choice);
  apply();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useThemeMode = (): ThemeMode => useSyncExternalStore(subscribe, currentMode);
export const useThemeChoice = (): ThemeChoice => useSyncExternalStore(subscribe, stored);
