/** The media plane's suite once more, over node:dgram. */
import { vi } from "vitest";

vi.hoisted(() => {
  process.env.EARSHOT_TEST_RTP_SOCKETS = "dgram";
});

import "./media-plane.contract.test.ts";
