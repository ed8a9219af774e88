import { describe, expect, it } from 'vitest'
import { defaultTimers } from '../config.ts'
import { decideSandbox, type SandboxFacts } from './decide.ts'

const now = new Date('2026-01-01T12:00:00Z')
const ago = (ms: number) => new Date(now.getTime() - ms)
const inMs = (ms: number) => new Date(now.getTime() + ms)
const minutes = 60_000

const facts = (given: Partial<SandboxFacts> = {}): SandboxFacts => ({
  whole: true,
  state: 'ready',
  spawned: true,
  startingSince: ago(60 * minutes),
  unreachableSince: null,
  busy: true,
  idleSince: ago(60 * minutes),
  linked: true,
  silentForMs: 1_000,
  inspectedBeforeMs: 1_000,
  watchingForMs: 60 * minutes,
  ...given,
})
const decided = (given: Partial<SandboxFacts>) => decideSandbox(facts(given), now, defaultTimers)

describe('a sandbox that starts', () => {
  const starting = { state: 'starting' as const, linked: false, startingSince: ago(10_000) }

  it('is spawned, then looked at, until its supervisor connects', () => {
    expect(decided({ ...starting, spawned: false })).toEqual({ do: 'spawn' })
    expect(decided({ ...starting, inspectedBeforeMs: 1_000 })).toEqual({ do: 'inspect' })
    expect(decided({ ...starting, inspectedBeforeMs: 400 })).toEqual({ do: 'wait', until: inMs(600) })
  })

  it('is stopped after two minutes', () => {
    expect(decided({ ...starting, startingSince: ago(2 * minutes) })).toEqual({ do: 'stop', because: 'start_timeout' })
  })
})

describe('a ready sandbox', () => {
  it('is left alone while it works, until silence would be noticed', () => {
    expect(decided({})).toEqual({ do: 'wait', until: inMs(44_000) })
  })

  it('becomes unreachable after 45 seconds of silence', () => {
    expect(decided({ silentForMs: 45_000 })).toEqual({ do: 'markUnreachable' })
    expect(decided({ linked: false, silentForMs: 45_000, inspectedBeforeMs: 0 })).toEqual({ do: 'markUnreachable' })
    expect(decided({ linked: false, silentForMs: 44_000, inspectedBeforeMs: 0 })).toEqual({
      do: 'wait',
      until: inMs(1_000),
    })
  })

  it('is not blamed for silence of our own making', () => {
    expect(decided({ silentForMs: 10 * minutes, watchingForMs: 5_000 })).toEqual({
      do: 'wait',
      until: inMs(40_000),
    })
  })

  it('is looked at as soon as its link is gone', () => {
    expect(decided({ linked: false, inspectedBeforeMs: null, watchingForMs: 0 })).toEqual({ do: 'inspect' })
  })

  it('stops when it has been idle for half an hour, never while it works', () => {
    expect(decided({ busy: false, idleSince: ago(30 * minutes) })).toEqual({ do: 'stop', because: 'idle' })
    expect(decided({ busy: false, idleSince: ago(29 * minutes + 50_000) })).toEqual({ do: 'wait', until: inMs(10_000) })
    expect(decided({ busy: true, idleSince: ago(30 * minutes) }).do).toBe('wait')
  })
})

describe('an unreachable sandbox', () => {
  const unreachable = { state: 'unreachable' as const, linked: false, unreachableSince: ago(80_000) }

  it('is looked at again and again, and ended when it stays silent', () => {
    expect(decided({ ...unreachable, inspectedBeforeMs: 1_000 })).toEqual({ do: 'inspect' })
    expect(decided({ ...unreachable, inspectedBeforeMs: 0 })).toEqual({ do: 'wait', until: inMs(1_000) })
    const lost = { ...unreachable, unreachableSince: ago(90_000) }
    expect(decided({ ...lost, inspectedBeforeMs: 1_000 })).toEqual({ do: 'stop', because: 'silence' })
    expect(decided({ ...lost, inspectedBeforeMs: 0 })).toEqual({
      do: 'stop',
      because: 'silence',
    })
  })
})

it('goes on stopping what was asked to stop, and leaves what has stopped', () => {
  expect(decided({ state: 'stopping' })).toEqual({ do: 'stop', because: 'asked' })
  expect(decided({ state: 'stopped' })).toEqual({ do: 'wait', until: null })
})

it('a sandbox whose folders were removed under it is ended at once, whatever it works at', () => {
  const lost = { do: 'stop', because: 'lost' }
  expect(decided({ whole: false, state: 'ready', linked: true, busy: true, silentForMs: 0 })).toEqual(lost)
  expect(decided({ whole: false, state: 'unreachable' })).toEqual(lost)
  expect(decided({ whole: false, state: 'stopping' })).toEqual(lost)
  expect(decided({ whole: false, state: 'starting', spawned: true, startingSince: ago(1_000) })).toEqual(lost)
  expect(decided({ whole: false, state: 'starting', spawned: false, startingSince: ago(1_000) })).toEqual({
    do: 'spawn',
  })
  expect(decided({ whole: false, state: 'stopped' })).toEqual({ do: 'wait', until: null })
})
