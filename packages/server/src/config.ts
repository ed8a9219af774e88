/**
 * The configuration of this installation: read from the environment once, here and nowhere else.
 * What is secret and not configured is made once and kept in the data folder; see `keptSecrets.ts`.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { checkpointLimits } from '@corral/protocol'
import { z } from 'zod'
import { type Prices, pricesSchema } from './credits/prices.ts'
import type { DeathPoint } from './deathPoints.ts'
import { type RateLimitSettings, rateLimitsSchema } from './gateway/rateLimits.ts'
import { type RegistrySettings, registriesSchema } from './gateway/registries/settings.ts'
import { hasCode } from './host/systemError.ts'
import type { GithubSignIn } from './identity/auth.ts'
import { keptSecret, readSealKey } from './keptSecrets.ts'
import { createOutboundPolicy } from './outbound/policy.ts'
import { type DriverConfig, driverNames } from './sandboxes/choose.ts'
import type { DriverRef, SandboxLimits } from './sandboxes/driver.ts'
import { newEnvelopeKey } from './secrets/envelopes.ts'

/** Every timer of the engine, in milliseconds. Source: 10-engine "Timers". */
export const defaultTimers = {
  serverTermRenewMs: 5_000,
  serverTermMs: 15_000,
  claimMs: 15_000,
  reconcilerPollMs: 1_000,
  /** How often PostgreSQL and the gateway are looked at. */
  caretakerMs: 1_000,
  /** How often the keys, users and memberships behind live sockets are looked at. */
  accessCheckMs: 1_000,
  commandMs: 5_000,
  sandboxStartMs: 120_000,
  /** How soon a sandbox that waits for its turn to start asks again. */
  sandboxTurnMs: 250,
  /** A sandbox without a link is looked at this often. */
  sandboxInspectMs: 1_000,
  /** How long a driver may take to say how a sandbox is, or, beyond its grace, to end one. */
  driverAnswerMs: 15_000,
  /** Whether the folders of a sandbox are still there. */
  sandboxFolderMs: 2_000,
  linkSilenceMs: 45_000,
  sandboxLostMs: 90_000,
  preparationMs: 12 * 60_000,
  cloneMs: 6 * 60_000,
  setupCommandMs: 120_000,
  agentStartMs: 60_000,
  /** From `warm` until nothing more is expected of it. */
  warmUpMs: 180_000,
  /** How soon a session looks again whether its agent may start. */
  agentTurnMs: 1_000,
  noProgressMs: 7 * 60_000,
  /** How long people have for an answer, where the session does not say. */
  askMs: 30 * 60_000,
  /** An answer that the agent has not confirmed is sent again after this. */
  answerAgainMs: 10_000,
  executionMs: 120 * 60_000,
  /** From `interrupt` to the end of the sandbox when the supervisor does not say `stopped`. */
  stopMs: 30_000,
  finalizationMs: 180_000,
  finalizationStepMs: 30_000,
  commitMessageMs: 30_000,
  pushMs: 60_000,
  /** From an execution's end to the compaction of its events. */
  compactionMs: 60_000,
  /** One attempt of a callback, from the look-up of the name to the status. */
  callbackAttemptMs: 10_000,
  /** To the second attempt; each further wait is twice the one before. */
  callbackRetryMs: 60_000,
  /** How long a callback that is over stays listed. */
  callbackKeepMs: 30 * 24 * 60 * 60_000,
  /** To the second look at a disk that is too full; the next ones come after three and six times that. */
  diskRetryMs: 10_000,
  /** How long what lies on disk for a session is kept when nobody touches it. */
  sessionKeptMs: 90 * 24 * 60 * 60_000,
  /** How long a signing key that was replaced signs on. */
  callbackKeyMs: 24 * 60 * 60_000,
  /** How long the beginning of a secret waits for the next word of its part. */
  redactionHoldMs: 500,
  /** How often who waits for the end of a turn hears that it goes on; what stands between may cut a silence of 60 s. */
  waitedTurnMs: 15_000,
  /** After such a silence the turn of a session that runs elsewhere counts as over, where its agent does not say so. */
  pushedTurnMs: 5 * 60_000,
  agentIdleMs: 15 * 60_000,
  sandboxIdleMs: 30 * 60_000,
  sandboxGraceMs: 5_000,
  /** A terminal ends when nobody has pressed a key for so long, or nobody has looked at it. */
  terminalIdleMs: 30 * 60_000,
  terminalUnattendedMs: 5 * 60_000,
  /** How long a stop of the server may take. */
  shutdownMs: 10_000,
} as const
export type Timers = { -readonly [K in keyof typeof defaultTimers]: number }

/** A model server: its key, its address where that is not the known one, and what its models cost. */
export type UpstreamSettings = { apiKey?: string; baseUrl?: string; prices?: Prices }

/** The model that is used where none is named, by the upstream that has a key. */
const defaultModels: Readonly<Record<string, string>> = {
  anthropic: 'anthropic/claude-sonnet-4-5',
  openai: 'openai/gpt-5',
  openrouter: 'openrouter/anthropic/claude-sonnet-4.5',
}
export const scriptedModel = 'scripted/demo'

/** What is too much for variables: `corral.config.json` in the current folder. */
const fileSchema = z.strictObject({
  upstreams: z
    .record(
      z.string(),
      z.strictObject({
        apiKey: z.string().optional(),
        baseUrl: z.string().optional(),
        prices: pricesSchema.optional(),
      }),
    )
    .default({}),
  defaultUpstream: z.string().optional(),
  gitHosts: z
    .record(
      z.string(),
      z.strictObject({
        url: z.string().optional(),
        api: z.string().optional(),
        kind: z.enum(['github', 'gitlab']).optional(),
        credential: z.strictObject({ username: z.string().default('x-access-token'), token: z.string() }).optional(),
        sharedRepositories: z.array(z.string()).optional(),
      }),
    )
    .default({}),
  defaultModel: z.string().optional(),
  /** What must be left of each budget for new work. */
  minimumCreditUsd: z.number().nonnegative().default(1),
  gitAuthor: z.strictObject({ name: z.string().min(1), email: z.string().min(1) }).optional(),
  /** Whether the SDK facade offers what its reference interface does not have. */
  facade: z.strictObject({ beyond: z.boolean().default(true) }).prefault({}),
  /** `host`, `*.host`, `host:port`: what every session may reach. */
  network: z.strictObject({ hosts: z.array(z.string()).default([]) }).prefault({}),
  /** Below that much, no new work begins until there is room again. */
  minimumFreeDiskBytes: z
    .number()
    .nonnegative()
    .default(2 * 1024 ** 3),
  /** Of each sandbox. An agent alone takes 600 MiB after some turns, and 30 threads. */
  sandboxLimits: z
    .strictObject({
      memoryMiB: z.number().int().min(256).default(4_096),
      processes: z.number().int().min(128).default(1_024),
      diskMiB: z.number().int().min(64).default(16_384),
      cpus: z.number().min(0.1).nullable().default(null),
      cgroups: z.boolean().default(true),
    })
    .prefault({}),
  /** Mirrors in the place of the public package registries. */
  registries: registriesSchema.prefault({}),
  /** How often models may be called. */
  rateLimits: rateLimitsSchema.prefault({}),
})
type ConfigFile = z.output<typeof fileSchema>

export type Config = {
  home: string
  host: string
  port: number
  publicUrl: string | null
  /** Null: the embedded PostgreSQL of the data folder. */
  databaseUrl: string | null
  /** The operator's; `CORRAL_BOOTSTRAP_API_KEY`, else made once for this data folder. */
  bootstrapApiKey: string
  internalApiSecret: string
  nextAuthSecret: string
  /** 32 bytes; what is secret in the database is sealed under it. */
  sealKey: Buffer
  /** PEM; opens the envelopes of `encryptedSecrets`. */
  envelopeKey: string
  sandboxDriver: DriverRef['driver'] | null
  /** The engine's socket (null: Docker's usual one), the image of sandboxes, and a runtime other than Docker's own. */
  docker: DriverConfig['docker']
  agentsFolder: string
  supervisorsFolder: string
  pagesFolder: string
  gitLocalRoots: string[]
  allowPrivateHosts: string[]
  allowedOrigins: string[]
  upstreams: Record<string, UpstreamSettings>
  defaultUpstream: string | null
  defaultModel: string
  minimumCreditUsd: number
  gitHosts: ConfigFile['gitHosts']
  /** What every session may reach through the web proxy. */
  network: ConfigFile['network']
  minimumFreeDiskBytes: number
  facade: ConfigFile['facade']
  registries: RegistrySettings
  rateLimits: RateLimitSettings
  githubApp: { appId: string; privateKey: string } | null
  /** An OAuth app, by which people sign in on the page. */
  githubSignIn: GithubSignIn | null
  /** Who commits in sandboxes. */
  gitAuthor: { name: string; email: string }
  /** Of each sandbox. */
  sandboxLimits: SandboxLimits
  /** What the checkpoints of one session may take on the server's disk, and what must stay free on it. */
  checkpoints: { sessionBytes: number; spareBytes: number }
  logLevel: string
  timers: Timers
  /** For tests alone. */
  deathPoint: DeathPoint | null
}

const list = (value: string | undefined) =>
  (value ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')

const cacheFolder = (env: NodeJS.ProcessEnv): string =>
  join(resolve(env.XDG_CACHE_HOME || join(homedir(), '.cache')), 'corral')

/** The agents' store. Set-up fills it before there is a data folder, so this can be asked without one. */
export const agentsFolder = (env: NodeJS.ProcessEnv): string =>
  env.CORRAL_AGENTS_DIR ? resolve(env.CORRAL_AGENTS_DIR) : join(cacheFolder(env), 'agents')

/** Where the bundled supervisors lie. */
export const supervisorsFolder = (env: NodeJS.ProcessEnv): string => join(cacheFolder(env), 'supervisors')

/** Where the built pages lie. */
export const pagesFolder = (env: NodeJS.ProcessEnv): string => join(cacheFolder(env), 'pages')

export async function readConfig(env: NodeJS.ProcessEnv): Promise<Config> {
  const home = resolve(env.CORRAL_HOME || '.corral')
  const port = Number(env.CORRAL_PORT || 4180)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(
      `CORRAL_PORT is "${env.CORRAL_PORT}", which is no port; give a number from 0 (any free one) to 65535.`,
    )
  }
  await mkdir(home, { recursive: true, mode: 0o700 })
  const file = await readConfigFile()
  const upstreams = mergedUpstreams(upstreamsOf(env), file.upstreams)
  const named = file.defaultUpstream ?? Object.keys(upstreams)[0]
  return {
    home,
    host: env.CORRAL_HOST || '127.0.0.1',
    port,
    publicUrl: env.CORRAL_PUBLIC_URL || null,
    databaseUrl: env.DATABASE_URL || null,
    bootstrapApiKey: env.CORRAL_BOOTSTRAP_API_KEY || `corral_${await keptSecret(home, 'operator-api-key')}`,
    internalApiSecret: env.INTERNAL_API_SECRET || (await keptSecret(home, 'internal-api-secret')),
    nextAuthSecret: env.NEXTAUTH_SECRET || (await keptSecret(home, 'nextauth-secret')),
    sealKey: readSealKey(env.CORRAL_SEAL_KEY || (await keptSecret(home, 'seal-key'))),
    envelopeKey:
      env.AGENT_ENV_VARS_PRIVATE_KEY || (await keptSecret(home, 'agent-env-vars-private-key', newEnvelopeKey)),
    sandboxDriver: sandboxDriverOf(env.CORRAL_SANDBOX_DRIVER),
    docker: {
      host: env.DOCKER_HOST || null,
      image: env.CORRAL_SANDBOX_IMAGE || 'corral-sandbox',
      runtime: env.CORRAL_SANDBOX_RUNTIME || null,
    },
    agentsFolder: agentsFolder(env),
    supervisorsFolder: supervisorsFolder(env),
    pagesFolder: pagesFolder(env),
    gitLocalRoots: list(env.CORRAL_GIT_LOCAL_ROOTS).map((root) => resolve(root)),
    allowPrivateHosts: privateHosts(env.CORRAL_ALLOW_PRIVATE_HOSTS),
    allowedOrigins: list(env.WS_ALLOWED_ORIGINS),
    upstreams,
    defaultUpstream: file.defaultUpstream ?? null,
    defaultModel: file.defaultModel ?? (named && defaultModels[named]) ?? scriptedModel,
    minimumCreditUsd: file.minimumCreditUsd,
    gitHosts: file.gitHosts,
    network: file.network,
    minimumFreeDiskBytes: file.minimumFreeDiskBytes,
    facade: file.facade,
    registries: file.registries,
    rateLimits: file.rateLimits,
    githubApp: githubAppOf(env),
    githubSignIn: githubSignInOf(env),
    gitAuthor: file.gitAuthor ?? { name: 'Corral', email: 'corral@localhost' },
    sandboxLimits: limitsOf(file.sandboxLimits),
    // Two of the largest: the next is complete before the last is removed.
    checkpoints: { sessionBytes: 4 * checkpointLimits.blobBytes, spareBytes: 256 * 1024 ** 2 },
    logLevel: env.CORRAL_LOG_LEVEL || 'info',
    timers: { ...shortenedTimers(env.CORRAL_TIMER_SCALE), ...singleTimers(env.CORRAL_TEST_TIMERS) },
    deathPoint: deathPointOf(env.CORRAL_TEST_KILL),
  }
}

const MiB = 1024 * 1024

const limitsOf = ({ memoryMiB, diskMiB, ...others }: ConfigFile['sandboxLimits']): SandboxLimits => ({
  memoryBytes: memoryMiB * MiB,
  diskBytes: diskMiB * MiB,
  ...others,
})

function sandboxDriverOf(value: string | undefined): DriverRef['driver'] | null {
  if (!value) return null
  const known = driverNames.find((name) => name === value)
  if (known) return known
  throw new Error(
    `CORRAL_SANDBOX_DRIVER is "${value}", which there is none of; use ${driverNames.join(' or ')}, or leave it out.`,
  )
}

/** An entry that cannot be read is refused now, before anything is started. */
function privateHosts(text: string | undefined): string[] {
  const allowPrivateHosts = list(text)
  createOutboundPolicy({ allowPrivateHosts })
  return allowPrivateHosts
}

function upstreamsOf(env: NodeJS.ProcessEnv): Record<string, UpstreamSettings> {
  const upstreams: Record<string, UpstreamSettings> = {}
  for (const name of ['anthropic', 'openai', 'openrouter']) {
    const apiKey = env[`${name.toUpperCase()}_API_KEY`]
    const baseUrl = env[`${name.toUpperCase()}_BASE_URL`]
    if (apiKey) upstreams[name] = { apiKey, ...(baseUrl ? { baseUrl } : {}) }
  }
  return upstreams
}

/** A key may be in the environment and the prices in the file. */
const mergedUpstreams = (
  fromEnvironment: Config['upstreams'],
  fromFile: ConfigFile['upstreams'],
): Config['upstreams'] => ({
  ...fromEnvironment,
  ...Object.fromEntries(
    Object.entries(fromFile).map(([name, settings]) => [name, { ...fromEnvironment[name], ...settings }]),
  ),
})

async function readConfigFile(): Promise<ConfigFile> {
  const path = resolve('corral.config.json')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return fileSchema.parse({})
    throw error
  }
  const parsed = fileSchema.safeParse(JSON.parse(text))
  if (parsed.success) return parsed.data
  throw new Error(`${path} is not valid: ${z.prettifyError(parsed.error)}`)
}

function githubAppOf(env: NodeJS.ProcessEnv): Config['githubApp'] {
  const { GITHUB_APP_ID: appId, GITHUB_APP_PRIVATE_KEY: given } = env
  if (!appId && !given) return null
  // In one line, as environment files want it.
  const privateKey = given?.replaceAll('\\n', '\n') ?? ''
  if (!appId || !/^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(privateKey.trim())) {
    throw new Error('A GitHub App needs both GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY, the latter in PEM form.')
  }
  return { appId, privateKey }
}

function githubSignInOf({ GITHUB_CLIENT_ID: clientId, GITHUB_CLIENT_SECRET: clientSecret }: NodeJS.ProcessEnv) {
  if (!clientId && !clientSecret) return null
  if (clientId && clientSecret) return { clientId, clientSecret }
  throw new Error('Signing in by GitHub needs both GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET, of an OAuth app.')
}

/** One switch shortens all timers, for tests of what happens when they fire. */
function shortenedTimers(scale: string | undefined): Timers {
  const factor = scale === undefined || scale === '' ? 1 : Number(scale)
  if (!(factor > 0 && factor <= 1)) {
    throw new Error(`CORRAL_TIMER_SCALE is "${scale}"; it must be a number above 0 and at most 1.`)
  }
  return Object.fromEntries(
    Object.entries(defaultTimers).map(([name, ms]) => [name, Math.max(1, Math.round(ms * factor))]),
  ) as Timers
}

/** `<name>=<ms>`, separated by commas. */
function singleTimers(text: string | undefined): Partial<Timers> {
  const timers: Partial<Timers> = {}
  for (const item of list(text)) {
    const [name, ms] = item.split('=')
    if (!name || !isTimer(name) || !(Number(ms) > 0)) {
      throw new Error(
        `CORRAL_TEST_TIMERS has "${item}"; it must be the name of a timer, an equals sign and milliseconds.`,
      )
    }
    timers[name] = Number(ms)
  }
  return timers
}

const isTimer = (name: string): name is keyof Timers => Object.hasOwn(defaultTimers, name)

/** `<name>:<n>`; see `deathPoints.ts`. */
function deathPointOf(text: string | undefined): DeathPoint | null {
  if (!text) return null
  const [, name, pass] = /^([\w.]+):([1-9]\d*)$/.exec(text) ?? []
  if (!name) throw new Error(`CORRAL_TEST_KILL is "${text}"; it must be a name, a colon and a number from 1.`)
  return { name, pass: Number(pass) }
}
