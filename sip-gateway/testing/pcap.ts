/** UDP and TCP payloads out of a classic pcap file (Ethernet or Linux cooked, IPv4). */
export function payloads(pcap: Buffer): Buffer[] {
  const little = pcap.readUInt32LE(0) === 0xa1b2c3d4 || pcap.readUInt32LE(0) === 0xa1b23c4d;
  const u32 = (at: number) => (little ? pcap.readUInt32LE(at) : pcap.readUInt32BE(at));
  const linkHeader = u32(20) === 113 ? 16 : u32(20) === 101 ? 0 : u32(20) === 0 ? 4 : 14;
  const found: Buffer[] = [];
  for (let at = 24; at + 16 <= pcap.length; ) {
    const length = u32(at + 8);
    const packet = pcap.subarray(at + 16, at + 16 + length);
    at += 16 + length;
    const ip = packet.subarray(linkHeader);
    if (ip.length < 20 || ip[0]! >> 4 !== 4) continue;
    const transport = ip.subarray((ip[0]! & 15) * 4, Math.max(20, ip.readUInt16BE(2)));
    if (ip[9] === 17) found.push(transport.subarray(8));
    else if (ip[9] === 6 && transport.length > 20) found.push(transport.subarray((transport[12]! >> 4) * 4));
  }
  return found.filter((payload) => payload.length > 0);
}
