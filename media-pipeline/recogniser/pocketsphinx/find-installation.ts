/** Where libpocketsphinx 3 and its US English model lie on this machine. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

export type Installation = {
  readonly library: string;
  readonly base: string;
  readonly acousticModel: string;
  readonly languageModel: string;
  readonly dictionary: string;
};

const modelFolders = [
  "/usr/share/pocketsphinx/model/en-us",
  "/usr/local/share/pocketsphinx/model/en-us",
  "/opt/homebrew/share/pocketsphinx/model/en-us",
  "/usr/share/pocketsphinx/model",
];

/** Debian's multiarch folders, then the plain ones. */
function libraryFolders(): string[] {
  const multiarch = listed("/usr/lib").filter((name) => name.endsWith("-linux-gnu") || name.endsWith("-linux-gnueabihf"));
  return [...multiarch.map((name) => join("/usr/lib", name)), "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"];
}

/**
 * @param folders where to look before the standard places; empty strings are passed over
 * @returns the files, or the names of those that are missing
 */
export function findInstallation(
  folders: { library?: string; model?: string } = {},
): Installation | { readonly missing: readonly string[] } {
  const libraries = folders.library ? [folders.library] : libraryFolders();
  const library = firstFile(libraries, "libpocketsphinx.so.3");
  const base = firstFile(libraries, "libsphinxbase.so.3");
  const models = folders.model ? [folders.model] : modelFolders;
  const model = models.find((folder) => existsSync(join(folder, "en-us", "mdef")) && existsSync(join(folder, "cmudict-en-us.dict")));
  if (library !== undefined && base !== undefined && model !== undefined) {
    const languageModel = join(model, "en-us.lm.bin");
    if (existsSync(languageModel))
      return { library, base, acousticModel: join(model, "en-us"), languageModel, dictionary: join(model, "cmudict-en-us.dict") };
  }
  const missing: string[] = [];
  if (library === undefined) missing.push("libpocketsphinx.so.3");
  if (base === undefined) missing.push("libsphinxbase.so.3");
  if (model === undefined) missing.push("the en-us model (en-us/, en-us.lm.bin, cmudict-en-us.dict)");
  else if (!existsSync(join(model, "en-us.lm.bin"))) missing.push("en-us.lm.bin");
  return { missing };
}

function firstFile(folders: readonly string[], name: string): string | undefined {
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
