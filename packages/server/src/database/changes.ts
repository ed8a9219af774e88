/**
 * What PostgreSQL tells of sessions with each commit that changes what their rows show (migration `session_changes`).
 * Invariants: one connection of the pool listens for everybody, while anybody wants to know; whoever listens is told from when on
 * nothing is missed, and again after each time without that connection; no listener is waited for.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { SessionId } from '@corral/protocol'
import type { Pool } from 'pg'
import type { Logger } from 'pino'
import { z } from 'zod'
import { sessionIdOf } from './sessionUuid.ts'

export type SessionChange = { kind: 'created' | 'updated' | 'status'; session: SessionId; userId: string }

export type ChangeListener = {
  /** From now on every change is told; what was before may have been missed. */
  begun(): void
  changed(change: SessionChange): void
}

export type SessionChanges = {
  /** Returns the way to stop. */
  listen(listener: ChangeListener): () => void
  close(): Promise<void>
}

const channel = 'corral_session'
const againMs = 1_000
/** A connection that says nothing looks like one that has nothing to say. */
const askEveryMs = 10_000

const kinds = z.enum(['created', 'updated', 'status'])

export function createSessionChanges(options: { pool: Pool; logger: Logger }): SessionChanges {
  const { pool, logger } = options
  const listeners = new Set<ChangeListener>()
  let hearing: { end: AbortController; over: Promise<void>; hears: boolean } | null = null

  function heard(payload: string): void {
    const [kind, uuid = '', ...userId] = payload.split(' ')
    const change = { kind: kinds.parse(kind), session: sessionIdOf(uuid), userId: userId.join(' ') }
    for (const listener of listeners) listener.changed(change)
  }

  function says(hears: boolean): void {
    if (hearing) hearing.hears = hears
  }

  async function hear(signal: AbortSignal): Promise<void> {
    const client = await pool.connect()
    const broken = new Promise<never>((_, reject) => {
      client.on('error', reject)
      client.on('end', () => reject(new Error('the connection has ended')))
    })
    broken.catch(() => {})
    client.on('notification', ({ payload }) => heard(payload ?? ''))
    try {
      await client.query(`listen ${channel}`)
      if (signal.aborted) return
      says(true)
      for (const listener of listeners) listener.begun()
      while (!signal.aborted) {
        await Promise.race([delay(askEveryMs, null, { signal }).catch(() => null), broken])
        if (!signal.aborted) await client.query('select 1')
      }
    } finally {
      if (!signal.aborted) says(false)
      // Not into the pool again: it listens.
      client.release(true)
    }
  }

  async function keepHearing(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await hear(signal).catch((error: unknown) =>
        logger.warn({ error }, 'changes of sessions are not heard; listening again soon'),
      )
      await delay(againMs, null, { signal }).catch(() => null)
    }
  }

  function stop(): Promise<void> {
    const over = hearing?.over
    hearing?.end.abort()
    hearing = null
    return over ?? Promise.resolve()
  }

  return {
    listen(listener) {
      listeners.add(listener)
      if (hearing?.hears) listener.begun()
      if (!hearing) {
        const end = new AbortController()
        hearing = { end, over: Promise.resolve(), hears: false }
        hearing.over = keepHearing(end.signal)
      }
      return () => {
        listeners.delete(listener)
        if (listeners.size === 0) void stop()
      }
    },
    close() {
      listeners.clear()
      return stop()
    },
  }
}
