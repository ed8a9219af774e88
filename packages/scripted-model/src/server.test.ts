import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { scriptedModelControl, startScriptedModel } from './index.ts'
import { mark } from './marks.ts'
import { emptyAnswer, type TestWire, testWires } from './testWires.ts'

let model: Awaited<ReturnType<typeof startScriptedModel>>
let control: ReturnType<typeof scriptedModelControl>

beforeAll(async () => {
  model = await startScriptedModel()
  control = scriptedModelControl(model.url)
})
afterEach(() => control.reset())
afterAll(() => model.close())

type Talk = Parameters<TestWire['request']>[0] & { streamed?: boolean; name?: string; signal?: AbortSignal }

const send = (
  { path, request }: TestWire,
  { streamed = true, name = 'scripted/demo', signal, ...talk }: Talk,
): Promise<Response> =>
  fetch(model.url + path, {
    method: 'POST',
    headers: { authorization: 'Bearer token-1' },
    body: JSON.stringify({ model: name, stream: streamed, ...request(talk) }),
    signal: signal ?? null,
  })

/** Reads a stream while it comes: `answer` is what has come so far. */
const follow = ({ read }: TestWire, response: Response) => {
  const answer = emptyAnswer()
  const ends: number[] = []
  let raw = ''
  const ended = (async () => {
    let rest = ''
    for await (const chunk of (response.body ?? new Blob().stream()).pipeThrough(new TextDecoderStream())) {
      raw += chunk
      const events = (rest + chunk).split('\n\n')
      rest = events.pop() ?? ''
      for (const event of events) {
        const data = event.slice(event.indexOf('data: ') + 6)
        if (data === '[DONE]') continue
        read(JSON.parse(data), answer)
        if (answer.text.length > (ends.at(-1) ?? 0)) ends.push(answer.text.length)
      }
    }
  })()
  const pieces = () => ends.map((end, index) => answer.text.slice(ends[index - 1] ?? 0, end))
  return { answer, pieces, ended, raw: () => raw }
}

const play = async (wire: TestWire, talk: Talk) => {
  const stream = follow(wire, await send(wire, talk))
  await stream.ended
  return stream
}

describe.each(testWires)('on the $wire wire', (wire) => {
  test('a text streams word by word, with its figures of usage', async () => {
    const { answer, pieces, raw } = await play(wire, { user: 'play: think "let me see" | say "Hello big world"' })
    expect(pieces()).toEqual(['Hello', ' big', ' world'])
    expect(answer).toMatchObject({ text: 'Hello big world', thought: 'let me see', outputTokens: 7 })
    expect(answer.inputTokens).toBeGreaterThan(0)
    expect(raw()).not.toContain(mark)
  })

  test('an answer that is not streamed is the same', async () => {
    const response = await send(wire, {
      user: 'play: think "let me see" | say "Hello big world" | bash "ls"',
      streamed: false,
    })
    const answer = emptyAnswer()
    wire.read(await response.json(), answer)
    expect(answer).toMatchObject({ text: 'Hello big world', thought: 'let me see', outputTokens: 17 })
    expect(answer.calls).toMatchObject([{ name: 'bash' }])
  })

  test('a gate holds a stream at its point until it is released', async () => {
    const { answer, ended } = follow(
      wire,
      await send(wire, { user: 'play: say "before " | gate middle | say "after"' }),
    )
    await expect(control.waitAtGate('middle', 5_000)).resolves.toMatchObject({ waiting: 1, released: false })
    await vi.waitFor(() => expect(answer.text).toBe('before '))
    await control.release('middle')
    await ended
    expect(answer.text).toBe('before after')
    expect(await control.gates()).toEqual([{ name: 'middle', released: true, waiting: 0, waitingSince: null }])
  })

  test('a gate before everything else holds back the first byte', async () => {
    let answered = false
    const response = send(wire, { user: 'play: gate first | say "here"' }).finally(() => {
      answered = true
    })
    await control.waitAtGate('first', 5_000)
    expect(answered).toBe(false)
    await control.release('first')
    const { answer, ended } = follow(wire, await response)
    await ended
    expect(answer.text).toBe('here')
  })

  test('a gate between parallel tool calls holds the second', async () => {
    const { answer, ended } = follow(wire, await send(wire, { user: 'play: bash "a" | gate between | also bash "b"' }))
    await control.waitAtGate('between', 5_000)
    await control.release('between')
    await ended
    expect(answer.calls.map(({ arguments: json }) => JSON.parse(json).command)).toEqual(['a', 'b'])
  })

  test('after a tool result the scenario goes on with its next turn', async () => {
    const user = 'play: say "one" | bash "ls" | also bash "pwd" | say "two" | bash "id" | say "three"'
    const turns = await Promise.all(
      [[], ['r', 'r'], ['r', 'r', 'r'], ['r', 'r', 'r', 'r']].map((toolResults) =>
        play(wire, { user, tools: true, toolResults }),
      ),
    )
    expect(
      turns.map(({ answer }) => [answer.text, ...answer.calls.map(({ arguments: json }) => JSON.parse(json).command)]),
    ).toEqual([['one', 'ls', 'pwd'], ['two', 'id'], ['three'], ['Done.']])
  })

  test('a failure before the first byte has its status and sentence', async () => {
    const response = await send(wire, { user: 'play: fail 429 "slow down"' })
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await response.json()).toMatchObject({ error: { message: 'slow down', type: 'rate_limit_error' } })
  })

  test('a failure in a stream comes as an error event behind what was said', async () => {
    const response = await send(wire, { user: 'play: say "one two" | fail 500 "broken"' })
    const body = await response.text()
    expect(body.indexOf('two')).toBeGreaterThan(0)
    expect(body.indexOf('"message":"broken"')).toBeGreaterThan(body.indexOf('two'))
    expect(await control.requests()).toMatchObject([{ outcome: 'failed' }])
  })

  test('a failure in an answer that is not streamed comes as a status, behind the gates before it', async () => {
    const response = send(wire, { user: 'play: say "one" | gate there | fail 529', streamed: false })
    await control.waitAtGate('there', 5_000)
    await control.release('there')
    expect((await response).status).toBe(529)
  })

  test('a flood arrives whole and in order', async () => {
    const { answer, pieces, raw } = await play(wire, { user: 'play: flood 2MB' })
    expect(answer.text).toHaveLength(2 * 1024 * 1024)
    expect(pieces()).toHaveLength(2048)
    expect(answer.text.split('\n').findIndex((line, index) => line !== '' && Number(line.slice(0, 8)) !== index)).toBe(
      -1,
    )
    expect(raw()).not.toContain(mark)
  })

  test('a request for a title, without tools, is answered with one', async () => {
    const { answer } = await play(wire, { system: 'You are a title generator.', user: 'Mend the roof. It leaks.' })
    expect(answer.text).toBe('Mend the roof')
  })
})

const chat = testWires[0]
if (!chat) throw new Error('the table of wires is empty')

describe('a failure with a number of times', () => {
  test('lets the next attempt at the same request through', async () => {
    const talk = { user: 'play: fail 503 times 2 | say "at last"' }
    expect((await send(chat, talk)).status).toBe(503)
    expect((await send(chat, { user: `${talk.user} | say "other"` })).status).toBe(503)
    expect((await send(chat, talk)).status).toBe(503)
    expect((await play(chat, talk)).answer.text).toBe('at last')
  })
})

describe('a client that goes away', () => {
  test.each(['gate lost', 'say "a" | gate lost', 'hang', 'say "a" | hang'])(
    'during "%s" is recorded, and waits no more',
    async (steps) => {
      const leaving = new AbortController()
      const response = send(chat, { user: `play: ${steps}`, signal: leaving.signal })
      const read = response.then((answer) => answer.text())
      await vi.waitFor(async () => expect(await control.requests()).toMatchObject([{ outcome: 'open' }]))
      if (steps.includes('gate')) await control.waitAtGate('lost', 5_000)
      leaving.abort()
      await expect(read).rejects.toThrow()
      await vi.waitFor(async () => expect(await control.requests()).toMatchObject([{ outcome: 'aborted' }]))
      expect((await control.gates()).every(({ waiting }) => waiting === 0)).toBe(true)
    },
  )
})

describe('a disconnect', () => {
  test('before the first byte leaves the client without an answer', async () => {
    await expect(send(chat, { user: 'play: disconnect' })).rejects.toThrow()
    expect(await control.requests()).toMatchObject([{ outcome: 'disconnected' }])
  })

  test('in a stream comes behind what was said, and is no clean end', async () => {
    const { answer, ended } = follow(chat, await send(chat, { user: 'play: say "one two" | disconnect' }))
    await expect(ended).rejects.toThrow()
    expect(answer.text).toBe('one two')
  })
})

describe('gates', () => {
  test('let through who comes after the release', async () => {
    await control.release('early')
    expect((await play(chat, { user: 'play: gate early | say "passed"' })).answer.text).toBe('passed')
  })

  test('count who waits, and a reset lets them all through', async () => {
    const streams = [1, 2].map(() => play(chat, { user: 'play: say "a" | gate shared | say "b"' }))
    await vi.waitFor(async () => expect(await control.gates()).toMatchObject([{ name: 'shared', waiting: 2 }]))
    await control.reset()
    expect((await Promise.all(streams)).map(({ answer }) => answer.text)).toEqual(['ab', 'ab'])
    expect(await control.gates()).toEqual([])
  })

  test('that nobody comes to are told with a sentence, in time', async () => {
    await expect(control.waitAtGate('lonely', 30)).rejects.toThrow('No stream came to the gate "lonely" within 30 ms')
  })
})

describe('the record of requests', () => {
  test('says what was asked, by whom, and how it ended', async () => {
    await play(chat, {
      user: 'play: bash "ls" | say "x"\n<system-reminder>Be brief.</system-reminder>',
      tools: true,
      toolResults: ['r'],
      name: 'scripted/other',
    })
    expect(await control.requests()).toEqual([
      {
        id: expect.any(String),
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        wire: 'chat',
        streamed: true,
        authorization: 'Bearer token-1',
        model: 'scripted/other',
        scenario: 'play',
        messages: 3,
        files: 0,
        lastUserText: 'play: bash "ls" | say "x"',
        toolResults: 1,
        tools: ['bash'],
        outcome: 'complete',
      },
    ])
  })

  test('is empty after a reset', async () => {
    await play(chat, { user: 'hello' })
    await control.reset()
    expect(await control.requests()).toEqual([])
  })
})

describe('without a scenario', () => {
  test('a prompt gets a short answer that says what this is', async () => {
    const { answer } = await play(chat, { user: 'hello', tools: true })
    expect(answer.text).toContain('scripted model of Corral')
  })

  test('a failing test, told to the demo model, begins the demo', async () => {
    const { answer } = await play(chat, { user: 'The test fails. Find out why and fix it.', tools: true })
    expect(answer.calls).toEqual([{ name: 'bash', arguments: '{"command":"npm test"}' }])
    expect(await control.requests()).toMatchObject([{ scenario: 'demo' }])
  })
})

test('a scenario that cannot be read is refused, so that no test passes on it', async () => {
  const response = await send(chat, { user: 'play: sya "hello"' })
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({
    error: { message: expect.stringContaining('there is no verb "sya"'), type: 'invalid_request_error' },
  })
})

test('a body that is no request is refused as a provider refuses it', async () => {
  const response = await fetch(`${model.url}/v1/chat/completions`, { method: 'POST', body: '{"messages": ' })
  expect(response.status).toBe(400)
  expect(await control.requests()).toEqual([])
})

test('the models are listed, the health is told, and what is not there is refused with a sentence', async () => {
  const get = async (path: string) => (await fetch(model.url + path)).json()
  expect(await get('/v1/models')).toMatchObject({ data: [{ id: 'scripted/demo' }, { id: 'demo' }] })
  expect(await get('/__corral/health')).toEqual({ ok: true })
  expect(await get('/v1/else')).toMatchObject({ error: { message: 'The scripted model has no GET /v1/else.' } })
})
