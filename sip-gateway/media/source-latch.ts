/**
 * Symmetric RTP: whom a leg listens to. The first valid source is taken, whatever the SDP said (NAT); the address of the SDP overrules
 * it at any time; another source takes over only when the present one has fallen silent, or an offer moved the peer.
 */
export class SourceLatch {
  readonly #relatchAfterMs: number;
  #address = "";
  #port = 0;
  #signalledAddress = "";
  #signalledPort = 0;

  constructor(relatchAfterMs: number) {
    this.#relatchAfterMs = relatchAfterMs;
  }

  get address(): string {
    return this.#address;
  }

  get port(): number {
    return this.#port;
  }

  get latched(): boolean {
    return this.#port !== 0;
  }

  /** What the offer says. A changed one frees the latch. */
  signal(address: string, port: number): void {
    if (address === this.#signalledAddress && port === this.#signalledPort) return;
    this.#signalledAddress = address;
    this.#signalledPort = port;
    this.#port = 0;
    this.#address = "";
  }

  /** Cheap test of the common case, before anything else is looked at. */
  isCurrent(address: string, port: number): boolean {
    return port === this.#port && address === this.#address;
  }

  /** Is it what the offer names? */
  isSignalled(address: string, port: number): boolean {
    return port === this.#signalledPort && address === this.#signalledAddress;
  }

  /**
   * @param silentMs since the present source's last packet
   * @returns may this source, if its packet is valid, be the one from now on?
   */
  accepts(address: string, port: number, silentMs: number): boolean {
    const free = this.#port === 0 || silentMs >= this.#relatchAfterMs;
    return free || this.isSignalled(address, port);
  }

  latch(address: string, port: number): void {
    this.#address = address;
    this.#port = port;
  }
}
