/** What a leg's port is to the media plane, whoever reads it: node:dgram (`RtpSocket`) or libc (`NativeSocket`). */
import type { DatagramReceiver } from "./rtp-socket.ts";

export interface MediaSocket {
  readonly port: number;
  /** From now on the datagrams are this one's. A datagram is lent: its memory is used again when `onDatagram` returns. */
  giveTo(receiver: DatagramReceiver): void;
  /**
   * Sends and forgets: a lost RTCP report is followed by the next. Never throws.
   * @returns false where nothing was sent: no such port, or the socket is closed
   */
  send(bytes: Uint8Array, address: string, port: number): boolean;
  close(): Promise<void>;
}

/**
 * @param port 0 = any
 * @throws EarshotError conflict `rtp_port_in_use` | unavailable `rtp_port_unusable`
 */
export type BindMediaSocket = (host: string, port: number, receiveBufferBytes: number, receiver: DatagramReceiver) => Promise<MediaSocket>;
