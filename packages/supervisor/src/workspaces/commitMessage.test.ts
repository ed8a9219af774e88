import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ExecuteParams, newSessionId } from '@corral/protocol'
import { startScriptedModel } from '@corral/scripted-model'
import { afterAll, describe, expect, it } from 'vitest'
import { createGatewayCalls, type GatewayCalls } from '../doors/gatewayCalls.ts'
import { createFolder } from '../testing/folder.ts'
import { createRepository, git as look } from '../testing/repository.ts'
import { readMessage, writeCommitMessage } from './commitMessage.ts'
import { createGit } from './git.ts'

const model = await startScriptedModel()

const folder = createFolder()
look(folder.path, 'clone', '--quiet', createRepository(join(folder.path, 'origin.git')), 'work')
writeFileSync(join(folder.path, 'work', 'readme.md'), 'Hello, louder\n')
look(join(folder.path, 'work'), 'add', '--all')
afterAll(async () => {
  await model.close()
  folder.remove()
})

function write(
  options: {
    wire?: ExecuteParams['model']['wire']
    task?: string
    call?: GatewayCalls
    messageMs?: number
    signal?: AbortSignal
  } = {},
): Promise<string> {
  const { wire = 'openai-chat', task = 'Say it louder. Please.', messageMs = 5_000 } = options
  return writeCommitMessage({
    git: createGit({
      cwd: join(folder.path, 'work'),
      environment: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: folder.path },
    }),
    params: {
      session: newSessionId(),
      commitMessage: 'The plain one',
      message: { model: { id: 'scripted/demo', wire }, task },
      timeouts: { stepMs: 5_000, pushMs: 5_000, messageMs },
    },
    call: options.call ?? createGatewayCalls({ origin: model.url, token: 'session-token' }),
    signal: options.signal ?? new AbortController().signal,
    log: () => undefined,
  })
}

describe('the message of a commit', () => {
  it.each(['openai-chat', 'openai-responses', 'anthropic'] as const)('is written by the model, on %s', async (wire) => {
    // The scripted model answers whoever asks for a title with the first sentence of what it is told.
    expect(await write({ wire })).toBe('Say it louder')
  })

  it('is asked for with the task and the change', async () => {
    const asked: unknown[] = []
    await write({
      call: async ({ body }) => {
        asked.push(body)
        return { status: 200, body: null }
      },
    })
    const text = JSON.stringify(asked)
    for (const told of ['Say it louder. Please.', 'readme.md', '+Hello, louder']) expect(text).toContain(told)
  })

  it.each<[string, GatewayCalls]>([
    ['refuses', async () => ({ status: 402, body: { error: { message: 'no credit' } } })],
    ['is away', () => Promise.reject(new Error('no connection'))],
    ['says nothing', async () => ({ status: 200, body: { choices: [{ message: { content: ' \n' } }] } })],
    ['answers in another form', async () => ({ status: 200, body: { text: 'Mend it' } })],
  ])('is the plain one when the model %s', async (_, call) => {
    expect(await write({ call })).toBe('The plain one')
  })

  it('is the plain one when the model takes too long', async () => {
    const call: GatewayCalls = ({ timeoutMs }) =>
      new Promise((_, reject) => setTimeout(() => reject(new Error('too late')), timeoutMs))
    expect(await write({ call, messageMs: 20 })).toBe('The plain one')
  })
})

describe('what a model says', () => {
  it.each([
    ['Mend the roof', 'Mend the roof'],
    ['"Mend the roof"', 'Mend the roof'],
    ['```\nMend the roof\n```', 'Mend the roof'],
    ['<think>What is it?\nA roof.</think>\nMend the roof', 'Mend the roof'],
    ['Commit message: Mend the roof', 'Mend the roof'],
    ['Mend the roof\n\nIt leaked.\n\nCorral-Execution: exec_1', 'Mend the roof\n\nIt leaked.'],
    ['\n\n  \n', null],
    ['```\n```', null],
  ])('%j is read as %j', (answer, message) => expect(readMessage(answer)).toBe(message))

  it('has a title of at most 72 characters, and no control characters', () => {
    const [title = '', ...rest] = (readMessage(`${'long '.repeat(40)}\n\nbody\u001b[31m`) ?? '').split('\n')
    expect(title).toHaveLength(72)
    expect(title.endsWith('…')).toBe(true)
    expect(rest).toEqual(['', 'body [31m'])
  })
})
