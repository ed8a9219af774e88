/**
 * What the gateway is told at its start: one JSON file of mode 0600, since it holds keys. Written by whoever starts the
 * gateway; nothing of it is ever logged or sent into a sandbox.
 */
import { z } from 'zod'
import { pricesSchema } from '../credits/prices.ts'
import { rateLimitsSchema } from './rateLimits.ts'
import { registriesSchema } from './registries/settings.ts'

const milliseconds = z.number().int().positive()

const upstreamSchema = z.object({
  /** Left out for servers that want none. */
  apiKey: z.string().min(1).optional(),
  /** Needed for upstreams that `upstreams.ts` does not know; those speak the OpenAI wires. */
  baseUrl: z.url({ protocol: /^https?$/ }).optional(),
  /** A file with the base URL of a server that is started on demand; read at each call. */
  urlFile: z.string().optional(),
  prices: pricesSchema.optional(),
})

const gitHostSchema = z.object({
  /** Where the host is spoken to; `https://<host>` when left out. */
  url: z.url({ protocol: /^https?$/ }).optional(),
  /** Base of its REST interface, where that is not the known one of its kind. */
  api: z.url({ protocol: /^https?$/ }).optional(),
  kind: z.enum(['github', 'gitlab']).optional(),
  /** Given out for the session's own repository alone. */
  credential: z.object({ username: z.string().default('x-access-token'), token: z.string().min(1) }).optional(),
  /** `owner/repo`: read by every session, with `credential`. */
  sharedRepositories: z.array(z.string()).optional(),
})

const timeoutsSchema = z.object({
  connectMs: milliseconds.default(10_000),
  /** Below the engine's 7 minutes without progress; a local model may have to be loaded first. */
  firstByteMs: milliseconds.default(300_000),
  betweenBytesMs: milliseconds.default(120_000),
  /** How long a token that is not known waits for a database that is away. */
  unknownTokenMs: milliseconds.default(60_000),
  /** One statement; past it the database counts as away. */
  databaseMs: milliseconds.default(2_000),
  /** How long calls may go on after another gateway has taken over: the longest execution. */
  drainMs: milliseconds.default(120 * 60_000),
})
export type GatewayTimeouts = z.infer<typeof timeoutsSchema>

export const gatewayConfigSchema = z.object({
  /** Of program and configuration; a gateway that reports another one is replaced. */
  version: z.string(),
  /** The door that sandboxes see. */
  socket: z.string(),
  /** For health and draining; in a folder that no sandbox reaches. */
  controlSocket: z.string(),
  /** Holds usage that waits for the database. */
  stateFolder: z.string(),
  databaseUrl: z.string(),
  /** Base64 of the key under which the database's secrets are sealed. */
  sealKey: z.base64(),
  /** PEM; opens what callers encrypted for this server. Without it, variables of that kind are not there. */
  envelopeKey: z.string().optional(),
  upstreams: z.record(z.string().regex(/^[a-z0-9-]+$/), upstreamSchema).default({}),
  defaultUpstream: z.string().optional(),
  gitHosts: z.record(z.string(), gitHostSchema).default({}),
  githubApp: z.object({ appId: z.string().min(1), privateKey: z.string().min(1) }).optional(),
  gitLocalRoots: z.array(z.string()).default([]),
  /** `host`, `host:port` or CIDR of git hosts that may have a private address. */
  allowPrivateHosts: z.array(z.string()).default([]),
  /** Hosts that every session may reach through the web proxy: `host`, `*.host`, `host:port`. */
  network: z.object({ hosts: z.array(z.string()).default([]) }).prefault({}),
  registries: registriesSchema.prefault({}),
  rateLimits: rateLimitsSchema.prefault({}),
  /** Where `git` is looked for. */
  programPath: z.string().default('/usr/local/bin:/usr/bin:/bin'),
  timeouts: timeoutsSchema.prefault({}),
})

/** What is written into the file. */
export type GatewaySettings = z.input<typeof gatewayConfigSchema>
export type GatewayConfig = z.output<typeof gatewayConfigSchema>
