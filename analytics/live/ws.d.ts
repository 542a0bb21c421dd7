/** The part of `ws` that is used here; the package ships no types of its own. */
declare module "ws" {
  import type { EventEmitter } from "node:events";
  import type { IncomingMessage } from "node:http";
  import type { Duplex } from "node:stream";

  export class WebSocket extends EventEmitter {
    static readonly CONNECTING: 0;
    static readonly OPEN: 1;
    constructor(
      url: string,
      protocols?: string | string[],
      options?: { headers?: Record<string, string>; perMessageDeflate?: boolean; maxPayload?: number; origin?: string },
    );
    readonly readyState: 0 | 1 | 2 | 3;
    readonly bufferedAmount: number;
    readonly protocol: string;
    send(data: string | Uint8Array, options?: { binary?: boolean }, done?: (error?: Error) => void): void;
    ping(): void;
    close(code?: number, reason?: string): void;
    terminate(): void;
    pause(): void;
    resume(): void;
  }

  export class WebSocketServer extends EventEmitter {
    constructor(options: {
      noServer: true;
      maxPayload?: number;
      perMessageDeflate?: boolean;
      clientTracking?: boolean;
      handleProtocols?: (protocols: Set<string>, request: IncomingMessage) => string | false;
    });
    handleUpgrade(
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      done: (socket: WebSocket, request: IncomingMessage) => void,
    ): void;
    close(done?: () => void): void;
  }
}
