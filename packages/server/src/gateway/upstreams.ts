/**
 * The model servers and which of them a model's name selects: `<upstream>/<model>`. Upstreams are data; what a new
 * one needs is a row here or an entry of the configuration.
 */
import { readFile } from 'node:fs/promises'
import type { ExecuteParams } from '@corral/protocol'
import type { Prices } from '../credits/prices.ts'
import type { GatewayConfig } from './gatewayConfig.ts'

/** A model API. The gateway passes it through and never translates. */
export type Wire = ExecuteParams['model']['wire']

type UpstreamKind = {
  wires: readonly Wire[]
  keyHeader: 'authorization' | 'x-api-key'
  baseUrl: string | null
  /** Its base URL is customarily given without the `/v1` that all its paths begin with. */
  addsVersion: boolean
  /** Where nobody has told any. */
  prices?: Prices
}

const openaiCompatible: UpstreamKind = {
  wires: ['openai-chat', 'openai-responses'],
  keyHeader: 'authorization',
  baseUrl: null,
  addsVersion: false,
}

const knownUpstreams: Readonly<Record<string, UpstreamKind>> = {
  anthropic: {
    wires: ['anthropic'],
    keyHeader: 'x-api-key',
    baseUrl: 'https://api.anthropic.com',
    addsVersion: true,
  },
  openai: { ...openaiCompatible, baseUrl: 'https://api.openai.com/v1' },
  openrouter: { ...openaiCompatible, baseUrl: 'https://openrouter.ai/api/v1' },
  scripted: {
    wires: ['openai-chat', 'openai-responses', 'anthropic'],
    keyHeader: 'authorization',
    baseUrl: null,
    addsVersion: true,
    prices: { '*': { inputPerMillionUsd: 0, outputPerMillionUsd: 0 } },
  },
}

export type Upstream = {
  name: string
  /** The first is the one to prefer. */
  wires: readonly Wire[]
  keyHeader: UpstreamKind['keyHeader']
  apiKey: string | null
  prices: Prices
  /** The address that paths such as `/chat/completions` are appended to; null when the server is not running. */
  root(): Promise<string | null>
}

export type Upstreams = { all: ReadonlyMap<string, Upstream>; defaultName: string | null }

export function createUpstreams(config: Pick<GatewayConfig, 'upstreams' | 'defaultUpstream'>): Upstreams {
  const all = new Map<string, Upstream>()
  for (const [name, settings] of Object.entries(config.upstreams)) {
    const kind = knownUpstreams[name] ?? openaiCompatible
    const fixed = settings.baseUrl ?? kind.baseUrl
    const { urlFile } = settings
    if (fixed === null && urlFile === undefined) {
      throw new Error(`The upstream "${name}" has no baseUrl; give the address of its OpenAI-compatible API.`)
    }
    all.set(name, {
      name,
      wires: kind.wires,
      keyHeader: kind.keyHeader,
      apiKey: settings.apiKey ?? null,
      prices: settings.prices ?? kind.prices ?? {},
      root: async () => {
        const url = urlFile === undefined ? fixed : await readUrl(urlFile)
        return url === null ? null : rootOf(url, kind.addsVersion)
      },
    })
  }
  const defaultName = config.defaultUpstream ?? null
  if (defaultName !== null && !all.has(defaultName)) {
    throw new Error(`The default upstream "${defaultName}" is not configured; configured are: ${names(all)}.`)
  }
  return { all, defaultName }
}

export type Selection =
  | { kind: 'selected'; upstream: Upstream /** The upstream's own name of the model. */; model: string }
  | { kind: 'refused'; sentence: string }

/** The prefix selects; a name without a known one goes to the default upstream, else to the only one there is. */
export function selectUpstream({ all, defaultName }: Upstreams, model: string): Selection {
  const slash = model.indexOf('/')
  const prefix = slash > 0 ? model.slice(0, slash) : null
  const named = prefix === null ? undefined : all.get(prefix)
  if (named) return { kind: 'selected', upstream: named, model: model.slice(slash + 1) }

  const fallback = defaultName === null ? onlyUpstream(all) : all.get(defaultName)
  // OpenRouter's own names begin with those of other upstreams.
  const takesPrefix = prefix === null || knownUpstreams[prefix] === undefined || fallback?.name === 'openrouter'
  if (fallback && takesPrefix) return { kind: 'selected', upstream: fallback, model }
  return {
    kind: 'refused',
    sentence: takesPrefix
      ? `the model "${model}" names none of the configured upstreams (${names(all)}). Write <upstream>/<model>.`
      : `the model "${model}" needs the upstream "${prefix}", which has no key here. Configured are: ${names(all)}.`,
  }
}

/** The scripted model is always there and counts only when nothing else is. */
function onlyUpstream(all: ReadonlyMap<string, Upstream>): Upstream | undefined {
  const real = [...all.values()].filter(({ name }) => name !== 'scripted')
  if (real.length === 0) return all.get('scripted')
  return real.length === 1 ? real[0] : undefined
}

/** Every model that has a price of its own, as callers name it. */
export const pricedModels = ({ all }: Upstreams): string[] =>
  [...all.values()].flatMap(({ name, prices }) =>
    Object.keys(prices).flatMap((model) => (model === '*' ? [] : [`${name}/${model}`])),
  )

function rootOf(url: string, addsVersion: boolean): string {
  const trimmed = url.replace(/\/+$/, '')
  return addsVersion && !trimmed.endsWith('/v1') ? `${trimmed}/v1` : trimmed
}

async function readUrl(file: string): Promise<string | null> {
  try {
    return (await readFile(file, 'utf8')).trim() || null
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

const names = (all: ReadonlyMap<string, Upstream>) => [...all.keys()].join(', ') || 'none'
