import { describe, expect, test } from 'vitest'
import { type Draft, emptyDraft, kept, keptDraft } from './draft.ts'
import { checked, errorsOf, withSecrets } from './request.ts'

const simple: Draft = { ...emptyDraft, repository: 'acme/shop', prompt: 'Fix it', model: 'scripted/demo' }
const inputOf = (more: Partial<Draft>) => {
  const result = checked({ ...simple, ...more })
  if (!result.ok) throw new Error(JSON.stringify(result.errors))
  return result.input
}
const errorsIn = (more: Partial<Draft>) => {
  const result = checked({ ...simple, ...more })
  return result.ok ? {} : result.errors
}

describe('the form as an input', () => {
  test('has what was typed, and nothing that was not', () => {
    expect(inputOf({})).toEqual({
      ...{ prompt: 'Fix it', mode: 'code', model: 'scripted/demo', githubRepo: 'acme/shop', createdOnPlatform: 'web' },
    })
  })

  test('takes a repository in every form that the server takes', () => {
    expect(inputOf({ repository: ' acme/shop ' })).toHaveProperty('githubRepo', 'acme/shop')
    for (const url of [
      'https://github.com/acme/shop.git',
      'git@gitlab.com:a/b.git',
      '/srv/git/shop',
      'file:///srv/shop',
    ]) {
      expect(inputOf({ repository: url })).toHaveProperty('gitUrl', url)
    }
  })

  test('gives a token to the host that it is for', () => {
    expect(inputOf({ token: 't1' })).toMatchObject({ githubToken: 't1' })
    expect(inputOf({ token: 't1', repository: 'https://github.com/a/b' })).toMatchObject({ githubToken: 't1' })
    expect(inputOf({ token: 't1', repository: 'https://gitlab.com/a/b' })).toMatchObject({ gitToken: 't1' })
  })

  test('has every member that a session can be prepared with', () => {
    expect(
      inputOf({
        ...{ branch: 'main', organization: 'o1', agent: 'kilo', variant: 'high', fallbackModels: 'a/b\n\n c/d ' },
        ...{ appendSystemPrompt: 'Be brief.', platform: 'gitlab', isolation: 'shared', timeoutMinutes: '30' },
        envVars: [
          { name: 'CI', value: '1' },
          { name: '', value: '' },
        ],
        setupCommands: 'npm ci\n npm run build',
        mcpServers: '{"docs": {"command": "npx", "args": ["docs-mcp"]}}',
        ...{ networkMode: 'allowlist', networkHosts: 'example.com\napi.example.com:8443' },
        ...{ permissions: 'ask', permissionRules: '[{"tool": "edit", "action": "auto"}]', permissionMinutes: '5' },
        ...{ autoCommit: true, condenseOnComplete: true, shallow: true },
        ...{ pullRequest: true, pullRequestTitle: 'Fix', pullRequestBase: 'main', pullRequestDraft: true },
        ...{ callbackUrl: 'https://example.com/hook', callbackHeaders: [{ name: 'x-key', value: 'k' }] },
      }),
    ).toMatchObject({
      ...{ upstreamBranch: 'main', kilocodeOrganizationId: 'o1', agentKind: 'kilo', variant: 'high' },
      ...{ fallbackModels: ['a/b', 'c/d'], appendSystemPrompt: 'Be brief.', platform: 'gitlab', isolation: 'shared' },
      ...{ timeoutMs: 1_800_000, envVars: { CI: '1' }, setupCommands: ['npm ci', 'npm run build'] },
      mcpServers: { docs: { command: 'npx', args: ['docs-mcp'] } },
      network: { mode: 'allowlist', hosts: ['example.com', 'api.example.com:8443'] },
      permissions: { default: 'ask', rules: [{ tool: 'edit', action: 'auto' }], deadline_seconds: 300 },
      ...{ autoCommit: true, condenseOnComplete: true, shallow: true },
      pullRequest: { title: 'Fix', base: 'main', draft: true },
      callbackTarget: { url: 'https://example.com/hook', headers: { 'x-key': 'k' } },
    })
  })

  test('asks for no pull request where nothing is committed', () => {
    expect(inputOf({ pullRequest: true })).not.toHaveProperty('pullRequest')
  })
})

describe('what is wrong', () => {
  test('stands at its field, in a sentence', () => {
    expect(checked({ ...emptyDraft })).toEqual({
      ok: false,
      errors: { repository: 'Choose a repository.', prompt: 'Say what the agent should do.', model: 'Choose a model.' },
    })
    expect(errorsIn({ model: 'a b' })).toEqual({ model: 'This may hold letters, digits and . _ - / :.' })
    expect(errorsIn({ mode: 'custom' })).toEqual({ appendSystemPrompt: 'This is required with mode custom.' })
    expect(errorsIn({ branch: 'a..b' })).toHaveProperty('branch')
    expect(errorsIn({ timeoutMinutes: 'soon' })).toHaveProperty('timeoutMinutes')
    expect(errorsIn({ callbackUrl: 'nowhere' })).toHaveProperty('callbackUrl')
    expect(errorsIn({ setupCommands: 'x'.repeat(501) })).toHaveProperty('setupCommands')
  })

  test('names the variable, the server or the secret that it is about', () => {
    expect(errorsIn({ envVars: [{ name: 'HOME', value: '1' }] })).toEqual({ envVars: 'HOME is reserved.' })
    expect(errorsIn({ secrets: [{ name: '1A', value: 's' }] }).secrets).toMatch(/^1A must be a valid variable name/)
    expect(errorsIn({ mcpServers: '{"docs": {"url": "x"}}' }).mcpServers).toMatch(/^docs/)
    expect(errorsIn({ mcpServers: '{' }).mcpServers).toMatch(/^This is not JSON/)
  })

  test('a name that is there twice, a value without a name, a secret without a value', () => {
    const twice = [
      { name: 'A', value: '1' },
      { name: 'A', value: '2' },
    ]
    expect(errorsIn({ envVars: twice })).toEqual({ envVars: 'A is there twice.' })
    expect(errorsIn({ envVars: [{ name: '', value: '1' }] })).toHaveProperty('envVars', 'Each needs a name.')
    expect(errorsIn({ secrets: [{ name: 'A', value: '' }] })).toEqual({ secrets: 'Each secret needs a value.' })
  })

  test('a refusal of the server finds its field, too', () => {
    expect(errorsOf([{ path: 'gitUrl', message: 'is not below a folder that the operator lists' }])).toEqual({
      repository: 'This is not below a folder that the operator lists.',
    })
    expect(errorsOf([{ path: 'clientId', message: 'is odd' }])).toBeNull()
  })
})

test('secrets are in the input as envelopes alone', () => {
  const input = inputOf({ secrets: [{ name: 'API_KEY', value: 'the-secret' }] })
  expect(JSON.stringify(input)).not.toContain('the-secret')
  const envelope = { encryptedData: 'e', encryptedDEK: 'd', algorithm: 'rsa-aes-256-gcm', version: 1 } as const
  expect(withSecrets(input, { API_KEY: envelope }, 'c1')).toMatchObject({
    clientId: 'c1',
    encryptedSecrets: { API_KEY: envelope },
  })
})

describe('a draft that is kept', () => {
  test('has everything but what may be secret', () => {
    const draft: Draft = {
      ...simple,
      envVars: [{ name: 'CI', value: '1' }],
      ...{ token: 'secret-1', mcpServers: '"secret-2"', callbackHeaders: [{ name: 'x', value: 'secret-3' }] },
      secrets: [{ name: 'KEY', value: 'secret-4' }],
    }
    expect(kept(draft)).not.toContain('secret-')
    expect(keptDraft(kept(draft))).toEqual({
      ...simple,
      envVars: [{ name: 'CI', value: '1' }],
      secrets: [{ name: 'KEY', value: '' }],
    })
  })

  test('that nobody can read any more is empty', () => {
    expect(keptDraft(null)).toEqual(emptyDraft)
    expect(keptDraft('{')).toEqual(emptyDraft)
    expect(keptDraft('{"prompt": 7, "mode": "ask"}')).toEqual({ ...emptyDraft, mode: 'ask' })
  })
})
