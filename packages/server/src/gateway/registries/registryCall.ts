/**
 * What a call below `/registry/<name>/` asks for, and where that is upstream. Pure. An address of the door is that of
 * one place below a base of the operator's settings, and of nothing above it.
 */
import type { Replacement } from './rewrite.ts'
import type { RegistryName, RegistrySettings } from './settings.ts'

export type RegistryCall = {
  registry: RegistryName /** As it was sent, behind the registry's name. */
  path: string
  query: string
}

export type RegistryTarget =
  | { kind: 'upstream'; url: string /** Names absolute addresses, which are made the door's. */; rewritten: boolean }
  /** Go asks first whether checksums can be had here. */
  | { kind: 'supported' }
  | { kind: 'missing' }

const registryNames = ['npm', 'pypi', 'crates', 'go'] as const satisfies RegistryName[]

/** Null for what is no path of a registry. */
export function readRegistryCall(url: string): RegistryCall | null {
  const [, name, path = '', query = ''] = /^\/registry\/([a-z]+)\/([^?]*)(\?.*)?$/.exec(url) ?? []
  const registry = registryNames.find((known) => known === name)
  return registry === undefined ? null : { registry, path, query }
}

export function targetOf({ registry, path, query }: RegistryCall, settings: RegistrySettings): RegistryTarget {
  const { npm, pypi, crates, go } = settings
  const files = below(path, 'files/')
  switch (registry) {
    case 'npm':
      return at(npm.url, path, query, !path.endsWith('.tgz'))
    case 'pypi':
      return files === null ? at(pypi.url, path, query, true) : at(pypi.files, files, query, false)
    case 'crates':
      return files === null
        ? at(crates.url, path, query, path === 'config.json')
        : at(crates.files, files, query, false)
    case 'go': {
      // https://go.dev/ref/mod#checksum-database: a proxy passes those on whose name it knows.
      const sums = below(path, `sumdb/${new URL(go.checksums).host}/`)
      if (sums === 'supported') return { kind: 'supported' }
      if (sums === null && path.startsWith('sumdb/')) return { kind: 'missing' }
      return sums === null ? at(go.url, path, query, false) : at(go.checksums, sums, query, false)
    }
  }
}

/** `door`: the registry's own address at the door, with a slash at its end. */
export function replacementsFor(registry: RegistryName, settings: RegistrySettings, door: string): Replacement[] {
  const { npm, pypi, crates } = settings
  switch (registry) {
    case 'npm':
      // Mirrors hand on what the public one says.
      return [npm.url, 'https://registry.npmjs.org/'].map((from) => ({ from, to: door }))
    case 'pypi':
      return [
        ...[pypi.files, 'https://files.pythonhosted.org/'].map((from) => ({ from, to: `${door}files/` })),
        { from: pypi.url, to: door },
      ]
    case 'crates':
      return [
        { from: crates.files, to: `${door}files/` },
        { from: crates.url, to: door },
      ]
    case 'go':
      return []
  }
}

const below = (path: string, folder: string): string | null =>
  path.startsWith(folder) ? path.slice(folder.length) : null

function at(base: string, path: string, query: string, rewritten: boolean): RegistryTarget {
  const url = base + path + query
  // What a `URL` would change, as dots and backslashes, leads elsewhere than it says.
  const isPlain = URL.canParse(url) && new URL(url).href === url && !url.includes('#') && !leadsUp(path)
  return isPlain ? { kind: 'upstream', url, rewritten } : { kind: 'missing' }
}

function leadsUp(path: string): boolean {
  try {
    return decodeURIComponent(path)
      .split(/[/\\]/)
      .some((segment) => segment === '..' || segment === '.')
  } catch (error) {
    if (error instanceof URIError) return true
    throw error
  }
}
