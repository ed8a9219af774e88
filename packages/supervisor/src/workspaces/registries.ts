/**
 * How the usual package managers find the registries behind the gateway's door. Nothing here is secret: the door itself
 * says whose sandbox it is. What a session's owner sets goes before these.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile } from '../host/replaceFile.ts'

export function registryVariables(gatewayOrigin: string): Record<string, string> {
  const npm = `${gatewayOrigin}/registry/npm/`
  return {
    // npm, pnpm, Bun and Yarn 1 read these.
    npm_config_registry: npm,
    // An address of this sandbox in a lock file would be of no use to anybody else.
    npm_config_omit_lockfile_registry_resolved: 'true',
    // Asks by POST, which is not served.
    npm_config_audit: 'false',
    YARN_NPM_REGISTRY_SERVER: npm,
    YARN_UNSAFE_HTTP_WHITELIST: new URL(gatewayOrigin).hostname,
    PIP_INDEX_URL: `${gatewayOrigin}/registry/pypi/simple/`,
    GOPROXY: `${gatewayOrigin}/registry/go`,
  }
}

/** Cargo takes another source of crates from a file alone. One that is there already is its owner's. */
export function writeCargoConfig(home: string, gatewayOrigin: string): void {
  const path = join(home, '.cargo', 'config.toml')
  if (existsSync(path)) return
  mkdirSync(join(home, '.cargo'), { recursive: true })
  replaceFile(
    path,
    `[source.crates-io]
replace-with = "corral"

[source.corral]
registry = "sparse+${gatewayOrigin}/registry/crates/"
`,
  )
}
