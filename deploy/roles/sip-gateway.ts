/** Takes calls from PBXs: SIP, RTP, admission. Knows tenants and trunks from the event log alone. */
import type { Component } from "@earshot/platform/lifecycle/component.ts";
import { createGateway, type Gateway } from "@earshot/sip-gateway/gateway.ts";
import { createMediaPlane } from "@earshot/sip-gateway/media/media-plane.ts";
import { gatewayIdOf } from "@earshot/sip-gateway/peers/gateway-id.ts";
import { reachableAt } from "@earshot/sip-gateway/peers/reachable-at.ts";
import { type Foundation, withoutPassword } from "./foundation.ts";
import type { Role } from "./role.ts";

export type GatewayRole = Role & { readonly gateway: Gateway };

export function buildGatewayRole(foundation: Foundation): GatewayRole {
  const { settings, log, metrics, clock, eventLog, dataDir } = foundation;
  const ports = settings.gateway.rtpPorts;
  const mediaPlane = createMediaPlane({ ports, settings: settings.media, log, metrics, clock, eventLog });
  const gateway = createGateway({
    gatewayId: gatewayIdOf(settings.gateway.gatewayId, dataDir),
    settings: settings.gateway,
    log,
    metrics,
    clock,
    eventLog,
    mediaPlane,
  });
  const drainMs = settings.process.drainSeconds * 1000;
  // What the calls leave behind still has to be transcribed and stored, in time of its own.
  const drainingGateway: Component = {
    name: gateway.name,
    start: () => gateway.start(),
    stop: (deadlineMs) => gateway.stop(Math.min(drainMs, deadlineMs)),
  };
  return {
    name: "sip-gateway",
    gateway,
    components: [mediaPlane, drainingGateway],
    health: () => [{ part: "SIP", state: gateway.fault === undefined ? "up" : "down", detail: gateway.fault ?? "" }],
    adapters: { "SIP signalling": withoutPassword(settings.gateway.signalling) },
    addresses: () => ({
      ...Object.fromEntries(
        gateway.addresses().map(({ transport, address, port }) => [`sip/${transport}`, `${reachable(address)}:${port}`]),
      ),
      rtp: `${reachable(settings.media.host)}:${ports.from}-${ports.to}`,
    }),
  };
}

/** What a PBX or a browser is told: where every address is bound, the first that other machines can reach. */
export function reachable(host: string): string {
  const address = reachableAt(host);
  return address.includes(":") ? `[${address}]` : address;
}
