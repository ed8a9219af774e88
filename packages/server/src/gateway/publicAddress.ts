/**
 * Connections to public addresses only. Names are resolved here, and the address that was checked is the one that is
 * connected to, so a name cannot lead into the operator's network, whatever it resolves to later.
 */
import { lookup as resolve } from 'node:dns'
import type { LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

export type IsAllowed = (address: string) => boolean

/** `exceptions`: CIDR ranges that are allowed all the same; other entries are ignored. */
export function allowPublicAddresses(exceptions: readonly string[]): IsAllowed {
  const ranges = exceptions.filter((range) => ipaddr.isValidCIDR(range)).map((range) => ipaddr.parseCIDR(range))
  return (address) => {
    // IPv4-mapped forms count as what they stand for.
    const parsed = ipaddr.process(address)
    if (parsed.range() === 'unicast') return true
    return ranges.some(([range, bits]) => range.kind() === parsed.kind() && parsed.match(range, bits))
  }
}

/** For the `lookup` option of a connection; fails when a name has no allowed address. */
export function guardedLookup(isAllowed: IsAllowed): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, [])
      const allowed = addresses.filter(({ address }) => isAllowed(address))
      const [first] = allowed
      if (!first) return callback(new Error(`"${hostname}" has no public address.`), [])
      if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}
