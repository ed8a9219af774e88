/**
 * Where Corral may connect to on behalf of a caller: callbacks, git repositories, remote MCP servers. Pure.
 * Public addresses by https; everything else only where the operator lists it, and then by plain http, too.
 * Names are judged when they are connected to (`agent.ts`): here is what their text alone tells.
 * Source: 30-cloud-agent-api §14.
 */
import { CorralError, type InputDetail } from '@corral/protocol'
import ipaddr from 'ipaddr.js'

export type OutboundPolicy = {
  /** Throws `target_refused` when the text of the address forbids it; `member` names the input it came in. */
  admit(url: URL, member: string): void
  /** The same as an answer: what is wrong with it, or null. */
  objectionTo(url: URL): string | null
  /** Which addresses a host may be connected to at, whatever its name resolves to. */
  addressesOf(target: Target): (address: string) => boolean
}

/** As in a `URL`; an empty port is the default one of the protocol. */
export type Target = Pick<URL, 'protocol' | 'hostname' | 'port'>

/**
 * `allowPrivateHosts`: `host`, `host:port`, an address or a range in CIDR form. Throws on anything else.
 * `ownAddresses`: of this machine, which count as private, too.
 */
export function createOutboundPolicy({
  allowPrivateHosts,
  ownAddresses = () => [],
}: {
  allowPrivateHosts: readonly string[]
  ownAddresses?: () => readonly string[]
}): OutboundPolicy {
  const entries = allowPrivateHosts.map(readEntry)
  const hosts = new Set(entries.flatMap((entry) => (entry.kind === 'host' ? [entry.host] : [])))
  const ranges = entries.flatMap((entry) => (entry.kind === 'range' ? [entry.range] : []))

  const isListed = (target: Target) => {
    const name = nameOf(target.hostname)
    return hosts.has(name) || hosts.has(`${name} ${portOf(target)}`)
  }
  const isInRange = (address: string) => {
    const parsed = ipaddr.process(address)
    return ranges.some(([range, bits]) => range.kind() === parsed.kind() && parsed.match(range, bits))
  }

  const isOwn = (address: string) => {
    const plain = ipaddr.process(address).toString()
    return ownAddresses().some((own) => ipaddr.process(own).toString() === plain)
  }

  function addressesOf(target: Target): (address: string) => boolean {
    if (isListed(target)) return () => true
    if (target.protocol !== 'https:') return isInRange
    return (address) => (isPublic(address) && !isOwn(address)) || isInRange(address)
  }

  function objectionTo(url: URL): string | null {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must be an https address'
    if (isListed(url)) return null
    const literal = literalAddress(url)
    if (literal !== null) return addressesOf(url)(literal) ? null : 'is an address that is not allowed here'
    if (url.protocol === 'http:' && ranges.length === 0) return 'must be an https address'
    return null
  }

  return {
    addressesOf,
    objectionTo,
    admit(url, member) {
      const objection = objectionTo(url)
      if (objection === null) return
      const details: InputDetail[] = [{ path: member, message: objection }]
      throw new CorralError('target_refused', { details })
    },
  }
}

/** The address that a host's name is itself, if it is one. `URL` has made decimal, octal and hex forms plain. */
export function literalAddress({ hostname }: Pick<URL, 'hostname'>): string | null {
  const name = nameOf(hostname)
  if (name === 'localhost' || name.endsWith('.localhost')) return '127.0.0.1'
  return ipaddr.isValid(name) ? name : null
}

const ipv6GlobalUnicast = ipaddr.parseCIDR('2000::/3')
/** Azure's metadata service has a public address. */
const azureMetadata = '168.63.129.16'

/** IPv4-mapped forms count as what they stand for; tunnels and translations into IPv4 are not public. */
function isPublic(address: string): boolean {
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast' || parsed.toString() === azureMetadata) return false
  return parsed.kind() === 'ipv4' || parsed.match(ipv6GlobalUnicast)
}

/** `host` is a name, or a name, a space and a port. */
type Entry = { kind: 'host'; host: string } | { kind: 'range'; range: ReturnType<typeof ipaddr.parseCIDR> }

function readEntry(text: string): Entry {
  const bare = text.replace(/^\[(.*)\]$/, '$1')
  if (ipaddr.isValidCIDR(text)) return { kind: 'range', range: ipaddr.parseCIDR(text) }
  if (ipaddr.IPv6.isValid(bare) || ipaddr.IPv4.isValidFourPartDecimal(bare)) {
    const address = ipaddr.process(bare)
    return { kind: 'range', range: [address, address.kind() === 'ipv4' ? 32 : 128] }
  }
  const [, name = '', port] = /^(\[[^\]]+\]|[^:/?#@]+)(?::(\d{1,5}))?$/.exec(text) ?? []
  if (!URL.canParse(`http://${name}/`) || Number(port ?? 0) > 65_535) {
    throw new Error(
      `CORRAL_ALLOW_PRIVATE_HOSTS has the entry "${text}"; it must be a host, host:port, an address or a range like 10.0.0.0/8.`,
    )
  }
  const host = nameOf(new URL(`http://${name}/`).hostname)
  return { kind: 'host', host: port === undefined ? host : `${host} ${Number(port)}` }
}

const nameOf = (hostname: string) =>
  hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')

const portOf = ({ protocol, port }: Target) => port || (protocol === 'https:' ? '443' : '80')
