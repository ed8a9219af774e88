import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createUpstreams, selectUpstream } from './upstreams.ts'

const key = { apiKey: 'k' }
const scripted = { baseUrl: 'http://127.0.0.1:1' }

function selected(
  model: string,
  upstreams: Parameters<typeof createUpstreams>[0]['upstreams'],
  defaultUpstream?: string,
) {
  const selection = selectUpstream(createUpstreams({ upstreams, defaultUpstream }), model)
  return selection.kind === 'selected' ? [selection.upstream.name, selection.model] : selection.sentence
}

test('the prefix of a name selects the upstream', () => {
  const upstreams = { anthropic: key, openai: key, scripted, 'my-vllm': { baseUrl: 'http://10.0.0.1/v1' } }
  expect(selected('anthropic/claude', upstreams)).toEqual(['anthropic', 'claude'])
  expect(selected('openai/gpt', upstreams)).toEqual(['openai', 'gpt'])
  expect(selected('my-vllm/qwen/qwen3', upstreams)).toEqual(['my-vllm', 'qwen/qwen3'])
  expect(selected('scripted/demo', upstreams)).toEqual(['scripted', 'demo'])
})

test('a name without a known prefix goes to the default, else to the only one, else nowhere', () => {
  expect(selected('gpt', { anthropic: key, openai: key }, 'openai')).toEqual(['openai', 'gpt'])
  expect(selected('qwen/qwen3', { openai: key, scripted })).toEqual(['openai', 'qwen/qwen3'])
  expect(selected('anything', { scripted })).toEqual(['scripted', 'anything'])
  expect(selected('gpt', { anthropic: key, openai: key })).toMatch(
    'names none of the configured upstreams (anthropic, openai)',
  )
})

test('OpenRouter takes the names of others when it is the only one; nobody else does', () => {
  expect(selected('anthropic/claude', { openrouter: key, scripted })).toEqual(['openrouter', 'anthropic/claude'])
  expect(selected('anthropic/claude', { openai: key })).toMatch('needs the upstream "anthropic", which has no key here')
})

test('base URLs are taken with and without the version that is customary', async () => {
  const root = (name: string, baseUrl?: string) =>
    createUpstreams({ upstreams: { [name]: { baseUrl } } })
      .all.get(name)
      ?.root()
  expect(await root('anthropic')).toBe('https://api.anthropic.com/v1')
  expect(await root('anthropic', 'https://proxy.example/')).toBe('https://proxy.example/v1')
  expect(await root('anthropic', 'https://proxy.example/v1')).toBe('https://proxy.example/v1')
  expect(await root('openai', 'http://localhost:11434/api')).toBe('http://localhost:11434/api')
})

test('the address of a server that is started on demand is read at each call', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-upstreams-'))
  const urlFile = join(folder, 'url')
  const upstream = createUpstreams({ upstreams: { scripted: { urlFile } } }).all.get('scripted')
  expect(await upstream?.root()).toBeNull()
  await writeFile(urlFile, 'http://127.0.0.1:4242\n')
  expect(await upstream?.root()).toBe('http://127.0.0.1:4242/v1')
  await rm(folder, { recursive: true })
})

test('a configuration that cannot work is refused at the start', () => {
  expect(() => createUpstreams({ upstreams: { 'my-vllm': {} } })).toThrow('has no baseUrl')
  expect(() => createUpstreams({ upstreams: { openai: key }, defaultUpstream: 'opnai' })).toThrow(
    'configured are: openai',
  )
})
