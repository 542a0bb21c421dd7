import type { Engine } from "../engine.ts";
import { grpcRecogniser } from "./recogniser.ts";

export const grpc: Engine = {
  name: "grpc",
  look(deps) {
    if (deps.settings.grpcUrl === "")
      return {
        usable: false,
        why: "EARSHOT_GRPC_ASR_URL is not set",
        remedy: "Set EARSHOT_GRPC_ASR_URL to the address of a server of earshot.recogniser.v1 (deploy/recogniser-server is one).",
      };
    return { usable: true, why: "EARSHOT_GRPC_ASR_URL is set", make: () => grpcRecogniser(deps) };
  },
};
