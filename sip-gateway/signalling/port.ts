/**
 * SIP signalling as a recording server needs it: server dialogs with typed events. An adapter owns transports, transactions and dialog
 * state (RFC 3261); it knows nothing of SIPREC, SDP or tenants.
 */
import type { Component } from "@earshot/platform/lifecycle/component.ts";

export type SipTransport = "udp" | "tcp" | "tls";

/** Where a message came from, as the socket saw it. */
export type SipPeer = {
  readonly transport: SipTransport;
  readonly address: string;
  readonly port: number;
  /** Our address as this peer reaches it (or as configured for peers behind NAT). */
  readonly localAddress: string;
  readonly localPort: number;
  /** Verified names of the peer's certificate (subject CN and DNS, URI and IP SANs); empty without a verified certificate. */
  readonly tlsNames: readonly string[];
};

export type SipUri = { readonly scheme: string; readonly user: string; readonly host: string; readonly raw: string };

/** A message as received; header names are case-insensitive and compact forms are resolved. */
export interface SipMessage {
  readonly peer: SipPeer;
  readonly callId: string;
  /** First value of the header, unfolded; undefined where absent. */
  header(name: string): string | undefined;
  /** Every line of that header, in order. */
  headers(name: string): readonly string[];
  /** UTF-8 decoded; "" without body. */
  readonly body: string;
}
export interface SipRequest extends SipMessage {
  readonly method: string;
  readonly uri: SipUri;
}
/** `status` 408 stands for no answer, 503 for a transport that failed. */
export interface SipResponse {
  readonly status: number;
  readonly reason: string;
  header(name: string): string | undefined;
  readonly body: string;
}

export type SipHeaders = readonly (readonly [name: string, value: string])[];
export type SipBody = { readonly contentType: string; readonly content: string };
export type SipReply = { readonly status: number; readonly reason?: string; readonly headers?: SipHeaders; readonly body?: SipBody };

/** A request inside a dialog; answered exactly once, at once or later. */
export interface SipServerRequest {
  readonly request: SipRequest;
  reply(reply: SipReply): void;
}

/** What happens in a dialog after its INVITE was accepted. Called one at a time, never after `onClosed`. */
export interface SipDialogHandlers {
  onReinvite(reinvite: SipServerRequest): void;
  onUpdate(update: SipServerRequest): void;
  onInfo(info: SipServerRequest): void;
  /** ACK of our 2xx; its body answers an offer of ours. */
  onAck(ack: SipRequest): void;
  /** BYE; the adapter has answered it 200. */
  onBye(bye: SipRequest): void;
  /** Our 2xx was never acknowledged (64*T1): the dialog stands, the session should be ended (RFC 3261 13.3.1.4). */
  onAckTimeout(): void;
}

export interface SipDialog {
  readonly id: string;
  readonly peer: SipPeer;
  /** Ends the dialog; resolves with the answer. Waits for the ACK that RFC 3261 15 asks for. */
  bye(headers: SipHeaders): Promise<SipResponse>;
  update(headers: SipHeaders, body?: SipBody): Promise<SipResponse>;
  /** @param answer makes the body of the ACK, where the 2xx carried an offer */
  reinvite(headers: SipHeaders, body?: SipBody): Promise<SipResponse>;
}

/** An INVITE outside a dialog; exactly one of accept and reject is called, once. */
export interface SipInvite {
  readonly request: SipRequest;
  /** Called when the client cancels before a final answer; the adapter answers 487 itself. */
  onCancel(callback: () => void): void;
  /** True once cancelled: accept and reject do nothing then. */
  readonly cancelled: boolean;
  /** 2xx. Returns undefined where the INVITE was cancelled meanwhile. */
  accept(reply: SipReply, handlers: SipDialogHandlers): SipDialog | undefined;
  reject(reply: SipReply): void;
}

export interface SipHandlers {
  /**
   * Asked about every INVITE outside a dialog before anything of it is kept here. A reply refuses it; an adapter whose transactions are its
   * own sends it without one (RFC 3261 8.2.7), and asks again about a repetition. undefined lets it through to `onInvite`, at once.
   */
  screenInvite(request: SipRequest): SipReply | undefined;
  onInvite(invite: SipInvite): void;
  /** OPTIONS, inside and outside dialogs. */
  onOptions(request: SipRequest): SipReply;
  /** Headers of every message we send in a dialog or answer an INVITE with: Contact parameters, Allow, Supported, Accept. */
  readonly contactParameters: string;
  readonly allow: readonly string[];
  readonly supported: readonly string[];
}

export type SipListener = { readonly transport: SipTransport; readonly address: string; readonly port: number };

export interface SipSignaling extends Component {
  /** Must be called before `start`. */
  handle(handlers: SipHandlers): void;
  /** Bound sockets, with the port taken where 0 was asked for. */
  listeners(): readonly SipListener[];
  /** Why no request can come in at present; undefined where all is well. */
  readonly fault: string | undefined;
  /** Why `tlsNames` is empty whoever the peer is, so that no trunk is told by them; undefined where certificates are verified. */
  readonly withoutTlsNames: string | undefined;
}
