/** How people and sessions name an agent: `opencode`, or `opencode@1.18.33` for an exact version. */
import type { AgentCatalog, AgentEntry } from './catalog.ts'

export type AgentReference = { name: string; version: string }

/** Without a version it is the catalog's. A version is exact: it becomes a path, and a session pins it. */
export function parseAgentReference(text: string, catalog: AgentCatalog): AgentReference {
  const [, name, version] = /^([a-z][a-z0-9-]*)(?:@(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?))?$/.exec(text) ?? []
  if (name === undefined) throw new Error(`"${text}" names no agent. Write a name, or name@1.2.3 for a version.`)
  return { name, version: version ?? catalogEntry(name, catalog).defaultVersion }
}

/** As Semantic Versioning orders them: 1.9.0 is older than 1.10.0, and a release candidate than its release. */
export function byNameAndVersion(one: AgentReference, other: AgentReference): number {
  if (one.name !== other.name) return one.name < other.name ? -1 : 1
  const [release, candidate] = split(one.version)
  const [otherRelease, otherCandidate] = split(other.version)
  const natural = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true })
  if (release !== otherRelease) return natural(release, otherRelease)
  if (candidate === '' || otherCandidate === '') return Number(candidate === '') - Number(otherCandidate === '')
  return natural(candidate, otherCandidate)
}

function split(version: string): [release: string, candidate: string] {
  const dash = version.indexOf('-')
  return dash === -1 ? [version, ''] : [version.slice(0, dash), version.slice(dash + 1)]
}

export function catalogEntry(name: string, catalog: AgentCatalog): AgentEntry {
  const entry = Object.hasOwn(catalog, name) ? catalog[name] : undefined
  if (entry) return entry
  throw new Error(`There is no agent "${name}". Known agents: ${Object.keys(catalog).join(', ')}.`)
}
