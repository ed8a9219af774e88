/** The processes of a data folder beside the server itself, as both `up` and `down` know them. */
import { getCompileCacheDir } from 'node:module'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { createGatewayProcess, type GatewayProcess } from './gateway/gatewayProcess.ts'
import { createScriptedProcess, type ScriptedProcess } from './scripted/scriptedProcess.ts'

export function processesOf(options: {
  config: Config
  runFolder: string
  databaseUrl: string
  env: NodeJS.ProcessEnv
  logger: Logger
}): { gateway: GatewayProcess; scripted: ScriptedProcess } {
  const { config, runFolder, databaseUrl, logger } = options
  // What it needs to find programs and its cache, and no key: those go by file.
  const env = {
    PATH: options.env.PATH,
    HOME: options.env.HOME,
    TMPDIR: options.env.TMPDIR,
    // They start with what is compiled already.
    NODE_COMPILE_CACHE: getCompileCacheDir(),
    // Whom they trust beside the usual authorities.
    NODE_EXTRA_CA_CERTS: options.env.NODE_EXTRA_CA_CERTS,
    NODE_USE_SYSTEM_CA: options.env.NODE_USE_SYSTEM_CA,
  }
  const nodeBinary = process.execPath
  const scripted = createScriptedProcess({ home: config.home, nodeBinary, env })
  const gateway = createGatewayProcess({
    home: config.home,
    nodeBinary,
    env,
    logger,
    program: async (folder) => (await import('./gateway/program.ts')).gatewayProgram(folder),
    controlSocket: join(runFolder, 'gateway', 'control.sock'),
    settings: {
      socket: join(runFolder, 'doors', 'gateway.sock'),
      databaseUrl,
      upstreams: { ...config.upstreams, scripted: { ...config.upstreams.scripted, urlFile: scripted.urlFile } },
      ...(config.defaultUpstream ? { defaultUpstream: config.defaultUpstream } : {}),
      sealKey: config.sealKey.toString('base64'),
      envelopeKey: config.envelopeKey,
      gitHosts: config.gitHosts,
      ...(config.githubApp ? { githubApp: config.githubApp } : {}),
      gitLocalRoots: config.gitLocalRoots,
      allowPrivateHosts: config.allowPrivateHosts,
      network: config.network,
      registries: config.registries,
      rateLimits: config.rateLimits,
    },
  })
  return { gateway, scripted }
}
