/**
 * All epochs of one session on disk: `<folder>/<epoch>/`. The server numbers the epochs; what an older one still
 * holds goes out before anything of a newer one, and its folder is deleted once all of it is acked.
 */
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../host/log.ts'
import type { OpenParts } from './openParts.ts'
import { DamagedSpool, openSpool, type Spool } from './spool.ts'

export type SessionSpool = {
  /** Oldest first; the last one is the epoch that is written to. None before the first welcome. */
  epochs(): readonly Spool[]
  /** The epoch that the server names goes on, or begins after `ackedN`. */
  adopt(epoch: number, ackedN: number): void
  append(payload: Buffer, options: { durable: boolean }): void
  ack(epoch: number, n: number): void
  sweep(now: number): void
  close(): void
  remove(): void
}

export function openSessionSpool(options: {
  folder: string
  /** As they are after all that was appended. */
  openParts: Pick<OpenParts, 'updates'>
  log: Log
}): SessionSpool {
  const { folder, openParts, log } = options
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  let spools = readdirSync(folder)
    .map(Number)
    .filter((epoch) => Number.isInteger(epoch))
    .sort((a, b) => a - b)
    .flatMap((epoch) => openOrSetAside(epoch))

  /** A damaged spool is kept for whoever wants to look, and not offered: the server then gives a new epoch. */
  function openOrSetAside(epoch: number): Spool[] {
    const path = join(folder, String(epoch))
    try {
      return [openSpool({ folder: path, epoch, startN: 1, openParts })]
    } catch (error) {
      if (!(error instanceof DamagedSpool)) throw error
      log('error', error.message)
      rmSync(`${path}.damaged`, { recursive: true, force: true })
      renameSync(path, `${path}.damaged`)
      return []
    }
  }

  return {
    epochs: () => spools,
    adopt(epoch, ackedN) {
      const known = spools.find((spool) => spool.epoch === epoch)
      const current = known ?? openSpool({ folder: join(folder, String(epoch)), epoch, startN: ackedN + 1, openParts })
      current.resume(ackedN)
      spools = [...spools.filter((spool) => spool !== current), current]
    },
    append(payload, options) {
      const current = spools.at(-1)
      if (!current) throw new Error('The server has given this session no epoch yet, so nothing can be recorded.')
      current.append(payload, options)
    },
    ack(epoch, n) {
      spools.find((spool) => spool.epoch === epoch)?.ack(n)
      spools = spools.filter((spool, i) => {
        const drained = i < spools.length - 1 && spool.ackedN >= spool.lastN
        if (drained) spool.remove()
        return !drained
      })
    },
    sweep(now) {
      for (const spool of spools) spool.sweep(now)
    },
    close() {
      for (const spool of spools) spool.close()
    },
    remove() {
      for (const spool of spools) spool.close()
      spools = []
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
