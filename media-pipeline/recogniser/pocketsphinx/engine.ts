import type { Engine } from "../engine.ts";
import { findInstallation } from "./find-installation.ts";
import { pocketsphinxRecogniser } from "./recogniser.ts";

export const pocketsphinx: Engine = {
  name: "pocketsphinx",
  look(deps) {
    const found = findInstallation({ library: deps.settings.pocketsphinxLibraryDir, model: deps.settings.pocketsphinxModelDir });
    if ("missing" in found)
      return {
        usable: false,
        why: `${found.missing.join(", ")} not found`,
        remedy:
          "apt-get install libpocketsphinx3 pocketsphinx-en-us (elsewhere, point EARSHOT_POCKETSPHINX_LIBRARY_DIR and _MODEL_DIR at them)",
      };
    return {
      usable: true,
      why: "its library and US English model are installed",
      make: () => pocketsphinxRecogniser({ ...deps, installation: found }),
    };
  },
};
