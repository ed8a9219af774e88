/** Every limit of every input: what just fits is taken, one more is refused by a message that names member and limit. */
import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import {
  answerPermissionInput,
  answerQuestionInput,
  getMessageResultInput,
  initiateInput,
  initiateSessionAsyncInput,
  listCallbacksInput,
  listSessionsInput,
  newExecutionId,
  newSessionId,
  prepareLegacySessionInput,
  prepareSessionInput,
  sendMessageInput,
  updateExecutionInput,
  updateSessionInput,
} from '../index.ts'

const x = (length: number) => 'x'.repeat(length)
const many = (count: number, value: unknown = 'x') =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`N${i}`, value]))
const list = (count: number, item: unknown) => Array.from({ length: count }, () => item)
const bytes = (count: number) => Buffer.alloc(count, 7).toString('base64')
const envelope = { encryptedData: bytes(64), encryptedDEK: bytes(256), algorithm: 'rsa-aes-256-gcm', version: 1 }
const stdio = { command: 'server' }
const remote = { type: 'sse', url: 'https://example.com/mcp' }
const urlOf = (length: number) => `https://example.com/${x(length - 'https://example.com/'.length)}`

const configuration = { prompt: 'Hello', mode: 'code', model: 'scripted/demo', githubRepo: 'acme/app' }
const sessionId = newSessionId()
const executionId = newExecutionId()

type Case = [member: string, fits: unknown, tooMuch: unknown, limit: string]
/** `member` may be a path: what is given is put there whole, and the refusal is to name it or a place inside it. */
function holds(schema: z.ZodType, base: object, cases: Case[]) {
  test.each(cases)('%s', (member, fits, tooMuch, limit) => {
    const taken = schema.safeParse({ ...base, [member]: fits })
    expect(taken.error?.issues).toBe(undefined)
    const refused = schema.safeParse({ ...base, [member]: tooMuch })
    if (refused.success) throw new Error(`${member} took too much`)
    expect(refused.error.issues[0]?.path[0]).toBe(member)
    expect(JSON.stringify(refused.error.issues)).toContain(limit)
  })
}

const permission = (rules: number, more: object = {}) => ({
  rules: list(rules, { tool: 'bash', action: 'ask' }),
  ...more,
})
const patchable: Case[] = [
  ['mode', `m${x(49)}`, `m${x(50)}`, '50'],
  ['model', x(255), x(256), '255'],
  ['variant', x(50), x(51), '50'],
  ['githubToken', x(1024), x(1025), '1024'],
  ['gitToken', x(1024), x(1025), '1024'],
  ['upstreamBranch', x(255), x(256), '255'],
  ['appendSystemPrompt', x(10_000), x(10_001), '10000'],
  ['envVars', many(50), many(51), '50'],
  ['envVars', { [x(256)]: x(256) }, { [x(257)]: 'x' }, '256'],
  ['envVars', { A: x(256) }, { A: x(257) }, '256'],
  ['encryptedSecrets', many(50, envelope), many(51, envelope), '50'],
  [
    'encryptedSecrets',
    { A: { ...envelope, encryptedData: bytes(48 * 1024) } },
    { A: { ...envelope, encryptedData: bytes(48 * 1024 + 1) } },
    '48 KiB',
  ],
  [
    'encryptedSecrets',
    { A: { ...envelope, encryptedData: bytes(32) } },
    { A: { ...envelope, encryptedData: bytes(31) } },
    '32 bytes',
  ],
  ['encryptedSecrets', { A: envelope }, { A: { ...envelope, version: 2 } }, 'must be 1'],
  ['encryptedSecrets', { A: envelope }, { A: { ...envelope, encryptedData: `${bytes(64)}=` } }, 'canonical base64'],
  ['setupCommands', list(20, 'true'), list(21, 'true'), '20'],
  ['setupCommands', [x(500)], [x(501)], '500'],
  ['setupCommands', ['x'], [''], 'at least 1'],
  ['mcpServers', many(20, stdio), many(21, stdio), '20'],
  ['mcpServers', { [x(100)]: stdio }, { [x(101)]: stdio }, '100'],
  ['mcpServers', { a: { ...stdio, timeout: 3600 } }, { a: { ...stdio, timeout: 3601 } }, '3600'],
  ['mcpServers', { a: stdio }, { a: { ...stdio, url: 'https://example.com' } }, 'does not belong'],
  ['mcpServers', { a: remote }, { a: { ...remote, args: ['x'] } }, 'does not belong'],
  ['mcpServers', { a: remote }, { a: { type: 'streamable-http' } }, 'url'],
  ['mcpServers', { a: stdio }, { a: { ...stdio, cwd: '../..' } }, 'inside the workspace'],
  ['callbackTarget', { url: urlOf(2048) }, { url: urlOf(2049) }, '2048'],
  ['callbackTarget', { url: urlOf(50), headers: many(20) }, { url: urlOf(50), headers: many(21) }, '20'],
  ['callbackTarget', { url: urlOf(50), headers: { A: x(4096) } }, { url: urlOf(50), headers: { A: x(4097) } }, '4096'],
  [
    'callbackTarget',
    { url: urlOf(50), headers: { A: 'é'.repeat(2048) } },
    { url: urlOf(50), headers: { A: 'é'.repeat(2049) } },
    '4096',
  ],
  [
    'callbackTarget',
    { url: urlOf(50), headers: { A: 'b' } },
    { url: urlOf(50), headers: { 'Content-Type': 'b' } },
    'Corral itself',
  ],
  [
    'callbackTarget',
    { url: urlOf(50), headers: { A: 'b' } },
    { url: urlOf(50), headers: { A: 'b\r\nc: d' } },
    'control character',
  ],
  ['callbackTarget', { url: urlOf(50) }, { url: 'https://user@example.com' }, 'user'],
]

describe('prepareSession', () => {
  holds(prepareSessionInput, configuration, [
    ...patchable,
    ['prompt', x(100_000), x(100_001), '100000'],
    // As JavaScript counts: two units each, four bytes.
    ['prompt', '😀'.repeat(50_000), '😀'.repeat(50_001), '100000'],
    ['prompt', 'x', '', 'at least 1'],
    ['githubRepo', `a/${x(198)}`, `a/${x(199)}`, '200'],
    ['kilocodeOrganizationId', x(100), x(101), '100'],
    ['agentKind', x(50), x(51), '50'],
    ['createdOnPlatform', x(100), x(101), '100'],
    ['clientId', x(128), x(129), '128'],
    ['botId', x(50), x(51), '50'],
    ['sessionBranch', x(255), x(256), '255'],
    ['fallbackModels', list(4, 'a/b'), list(5, 'a/b'), '4'],
    ['timeoutMs', 1000, 999, '1000'],
    ['timeoutMs', 86_400_000, 86_400_001, '86400000'],
    [
      'attachments',
      list(5, { sha256: 'a'.repeat(64), filename: 'x' }),
      list(6, { sha256: 'a'.repeat(64), filename: 'x' }),
      '5',
    ],
    ['permissions', permission(100), permission(101), '100'],
    ['permissions', permission(0, { deadline_seconds: 60 }), permission(0, { deadline_seconds: 59 }), '60'],
    ['permissions', permission(0, { deadline_seconds: 86_400 }), permission(0, { deadline_seconds: 86_401 }), '86400'],
    ['network', { hosts: list(100, 'example.com') }, { hosts: list(101, 'example.com') }, '100'],
    ['isolation', 'shared', 'none', 'shared'],
    ['platform', 'gitlab', 'bitbucket', 'gitlab'],
  ])
  holds(prepareSessionInput, { ...configuration, githubRepo: undefined }, [['gitUrl', x(2048), x(2049), '2048']])
  holds(prepareSessionInput, { ...configuration, autoCommit: true }, [
    ['pullRequest', { title: x(200) }, { title: x(201) }, '200'],
    ['pullRequest', { base: x(255) }, { base: x(256) }, '255'],
  ])

  const refused: (readonly [input: object, member: string])[] = [
    [{ ...configuration, gitUrl: 'https://example.com/a' }, 'githubRepo'],
    [{ ...configuration, githubRepo: undefined }, 'githubRepo'],
    [{ ...configuration, mode: 'custom' }, 'appendSystemPrompt'],
    [{ ...configuration, pullRequest: {} }, 'pullRequest'],
    ...['HOME', 'SESSION_ID', 'SESSION_HOME', 'HTTP_PROXY', 'https_proxy', 'No_Proxy', 'CORRAL_X'].map(
      (name) => [{ ...configuration, envVars: { [name]: 'x' } }, 'envVars'] as const,
    ),
    ...['-x', 'a..b', '/a', 'a/', 'a//b', '.a', 'a.lock', 'a.', 'a b'].map(
      (name) => [{ ...configuration, upstreamBranch: name }, 'upstreamBranch'] as const,
    ),
  ]
  test.each(refused)('%j is refused for %s', (input, member) => {
    const { error } = prepareSessionInput.safeParse(input)
    expect(error?.issues[0]?.path[0]).toBe(member)
  })

  test('text that PostgreSQL cannot hold is made into text that it can', () => {
    expect(prepareSessionInput.parse({ ...configuration, prompt: 'a\0b\ud800' }).prompt).toBe('a\ufffdb\ufffd')
  })
})

describe('updateSession', () => {
  holds(updateSessionInput, { sessionId }, [
    ...patchable,
    ['expectedVersion', 2_147_483_647, 2_147_483_648, '2147483647'],
  ])
})
describe('prepareLegacySession', () => {
  const base = { ...configuration, sessionId, kiloSessionId: 'ses_1' }
  holds(prepareLegacySessionInput, base, [
    ...patchable,
    ['kiloSessionId', crypto.randomUUID(), 'mine', 'UUID'],
    ['kiloSessionId', `ses_${x(64)}`, `ses_${x(65)}`, 'UUID'],
  ])
})
describe('sendMessage', () => {
  holds(sendMessageInput, { sessionId, prompt: 'On' }, [
    ...patchable.filter(([member]) =>
      ['mode', 'model', 'variant', 'githubToken', 'gitToken', 'appendSystemPrompt'].includes(member),
    ),
    ['prompt', x(100_000), x(100_001), '100000'],
    ['prompt', 'x', '', 'attachment'],
    ['clientId', x(128), x(129), '128'],
  ])
  holds(sendMessageInput, { sessionId }, [['command', x(100), x(101), '100']])
  holds(sendMessageInput, { sessionId, command: 'review' }, [['arguments', x(100_000), x(100_001), '100000']])
})
describe('what is asked of sessions', () => {
  holds(initiateInput, { sessionId }, [['githubToken', x(1024), x(1025), '1024']])
  holds(updateExecutionInput, { sessionId, executionId }, [['prompt', x(100_000), x(100_001), '100000']])
  holds(getMessageResultInput, { sessionId, executionId }, [
    ['waitMs', 30_000, 30_001, '30000'],
    ['waitMs', 0, -1, '0'],
  ])
  holds(listSessionsInput, {}, [
    ['limit', 100, 101, '100'],
    ['limit', 1, 0, '1'],
    ['cursor', x(200), x(201), '200'],
  ])
  holds(listCallbacksInput, { sessionId }, [
    ['limit', 100, 101, '100'],
    ['state', 'dead', 'gone', 'dead'],
  ])
  holds(answerQuestionInput, { sessionId, questionId: 'que_1' }, [
    ['answers', list(100, ['x']), list(101, ['x']), '100'],
    ['answers', [[x(10_000)]], [[x(10_001)]], '10000'],
  ])
  holds(answerPermissionInput, { sessionId, permissionId: 'per_1', reply: 'once' }, [
    ['message', x(2000), x(2001), '2000'],
    ['reply', 'always', 'never', 'always'],
  ])
  holds(initiateSessionAsyncInput, { ...configuration, callbackUrl: urlOf(50) }, [
    ['callbackUrl', urlOf(2048), urlOf(2049), '2048'],
    ['callbackHeaders', many(20), many(21), '20'],
    ['autoCommit', 'true', 'yes', 'autoCommit'],
  ])
})
