import type { SipBody, SipHeaders } from "../signalling/port.ts";

/** Asks the recording client for all of its metadata: the body of an UPDATE without SDP (RFC 7866 9.2). */
export function snapshotRequest(reason: string): { headers: SipHeaders; body: SipBody } {
  const content = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    "<requestsnapshot xmlns='urn:ietf:params:xml:ns:recording:1'>",
    `  <requestreason xml:lang="en">${reason}</requestreason>`,
    "</requestsnapshot>",
    "",
  ].join("\r\n");
  return { headers: [["Content-Disposition", "recording-session"]], body: { contentType: "application/rs-metadata-request", content } };
}
