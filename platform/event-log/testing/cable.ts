/**
 * A cable between clients and a server on loopback that can be pulled, without any right on the machine:
 *
 *     const cable = await Cable.start();             // clients connect to cable.port
 *     cable.leadTo(port);                            // and reach the server here
 *     cable.cut();                                   // nothing passes and nobody is told; what was sent waits
 *     cable.mend();                                  // it arrives now, as a network that is back delivers it
 *     await cable.stop();
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #to = 0;
  #isCut = false;
  #waiting: (() => void)[] = [];

  private constructor() {
    this.#server = createServer({ pauseOnConnect: true }, (client) => this.#taken(client));
  }

  static async start(): Promise<Cable> {
    const cable = new Cable();
    cable.#server.listen(0, "127.0.0.1");
    await once(cable.#server, "listening");
    return cable;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  leadTo(port: number): void {
    this.#to = port;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  mend(): void {
    this.#isCut = false;
    for (const resume of this.#waiting.splice(0)) resume();
    for (const socket of this.#sockets) socket.resume();
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #taken(client: Socket): void {
    this.#keep(client);
    const join = (): void => {
      if (client.destroyed) return;
      const server = connect(this.#to, "127.0.0.1");
      this.#keep(server);
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        from.setNoDelay(true);
        from.on("data", (bytes) => to.write(bytes));
        from.on("close", () => to.destroy());
        if (this.#isCut) from.pause();
        else from.resume();
      }
    };
    if (this.#isCut) this.#waiting.push(join);
    else join();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}
