/** What all metadata of a call so far says: complete documents replace it, partial ones merge into it (RFC 7865 6.1, RFC 7866 9.2). */
import type { Association, MetadataDocument, ParticipantRecord } from "./metadata-document.ts";

export class MetadataState {
  #participants = new Map<string, ParticipantRecord>();
  #labelOfStream = new Map<string, string>();
  #streamAssociations = new Map<string, Association>();
  #left = new Set<string>();
  #extensions = new Map<string, string>();
  #sipSessionId = "";
  #complete = false;
  readonly #maxParticipants: number;

  constructor(maxParticipants: number) {
    this.#maxParticipants = maxParticipants;
  }

  /** A complete document has been seen, so that partial ones have something to add to. */
  get complete(): boolean {
    return this.#complete;
  }

  apply(document: MetadataDocument): void {
    if (document.mode === "complete") {
      this.#complete = true;
      this.#participants.clear();
      this.#labelOfStream.clear();
      this.#streamAssociations.clear();
      this.#left.clear();
    }
    for (const participant of document.participants) {
      const known = this.#participants.get(participant.id);
      if (known === undefined && this.#participants.size >= this.#maxParticipants) continue;
      this.#participants.set(participant.id, {
        id: participant.id,
        name: participant.name || (known?.name ?? ""),
        address: participant.address || (known?.address ?? ""),
        calling: participant.calling ?? known?.calling,
      });
    }
    for (const stream of document.streams)
      if (stream.label !== "" && this.#labelOfStream.size < 1024) this.#labelOfStream.set(stream.id, stream.label);
    for (const association of document.streamAssociations) {
      const known = this.#streamAssociations.get(association.participantId);
      if (ended(association)) {
        // Named streams end; one that names none ends the participant's every stream.
        const remaining = association.send.length === 0 ? [] : (known?.send ?? []).filter((id) => !association.send.includes(id));
        this.#streamAssociations.set(association.participantId, { ...association, send: remaining, disassociated: false });
      } else if (known !== undefined && document.mode === "complete")
        this.#streamAssociations.set(association.participantId, { ...association, send: [...known.send, ...association.send] });
      else this.#streamAssociations.set(association.participantId, association);
    }
    for (const association of document.sessionAssociations) {
      if (ended(association)) this.#left.add(association.participantId);
      else this.#left.delete(association.participantId);
    }
    this.#sipSessionId ||= document.sipSessionId;
    for (const [name, value] of document.extensions)
      if (this.#extensions.size < 64 || this.#extensions.has(name)) this.#extensions.set(name, value);
  }

  /** Everyone who sends into the stream of that label, in the order of the metadata. */
  speakersOf(label: string): ParticipantRecord[] {
    const speakers: ParticipantRecord[] = [];
    for (const [participantId, association] of this.#streamAssociations) {
      if (this.#left.has(participantId) || !association.send.some((stream) => this.#labelOfStream.get(stream) === label)) continue;
      const participant = this.#participants.get(participantId);
      if (participant !== undefined) speakers.push(participant);
    }
    return speakers;
  }

  /** Everyone named, for a single mixed stream whose metadata joins nobody to it. */
  participants(): ParticipantRecord[] {
    return [...this.#participants.values()].filter((participant) => !this.#left.has(participant.id));
  }

  /** The PBX's own id of the call: its extension data's where there is one, else the SIP Session-ID. */
  externalCallId(): string {
    for (const name of ["ucid", "exttrackingid", "x-ucid", "callid", "globalcallid"]) {
      const value = this.#extensions.get(name);
      if (value !== undefined) return value;
    }
    return this.#sipSessionId;
  }
}

/** Ended, and not associated again later. */
function ended(association: Association): boolean {
  if (!association.disassociated) return false;
  const { associatedAtMs, disassociatedAtMs } = association;
  return associatedAtMs === undefined || disassociatedAtMs === undefined || disassociatedAtMs >= associatedAtMs;
}
