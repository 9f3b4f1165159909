/** Which addresses of the network are public. Everything else needs the caller's explicit word. */
import { BlockList, isIP } from "node:net";

const PRIVATE_V4: readonly (readonly [address: string, bits: number])[] = [
  ["0.0.0.0", 8], // this network
  ["10.0.0.0", 8], // private
  ["100.64.0.0", 10], // carrier-grade NAT
  ["127.0.0.0", 8], // loopback
  ["169.254.0.0", 16], // link-local, where clouds serve their metadata
  ["172.16.0.0", 12], // private
  ["192.0.0.0", 24], // protocol assignments
  ["192.0.2.0", 24], // documentation
  ["192.88.99.0", 24], // 6to4 relay
  ["192.168.0.0", 16], // private
  ["198.18.0.0", 15], // benchmarks
  ["198.51.100.0", 24], // documentation
  ["203.0.113.0", 24], // documentation
  ["224.0.0.0", 4], // multicast
  ["240.0.0.0", 4], // reserved and broadcast
];

// Parts of the global unicast space 2000::/3 that lead elsewhere. What lies outside of 2000::/3 (loopback, mapped and
// translated IPv4, unique local, link-local, multicast, NAT64) is refused as a whole.
const SPECIAL_V6: readonly (readonly [address: string, bits: number])[] = [
  ["2001::", 23], // protocol assignments, Teredo among them
  ["2001:db8::", 32], // documentation
  ["2002::", 16], // 6to4: an IPv4 address inside
  ["3fff::", 20], // documentation
];

const globalV6 = new BlockList();
globalV6.addSubnet("2000::", 3, "ipv6");

const special = new BlockList();
for (const [address, bits] of PRIVATE_V4) special.addSubnet(address, bits, "ipv4");
for (const [address, bits] of SPECIAL_V6) special.addSubnet(address, bits, "ipv6");

/** Is this the text of an IP address that anybody on the internet could own? */
export const isPublicAddress = (address: string): boolean => {
  const family = isIP(address);
  if (family === 4) return !special.check(address, "ipv4");
  // A zone (fe80::1%eth0) only occurs with addresses that are not global.
  return family === 6 && !address.includes("%") && globalV6.check(address, "ipv6") && !special.check(address, "ipv6");
};
