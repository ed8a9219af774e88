/**
 * 8 MiB of the disk that are kept for lifecycle events: a file that is given back when the disk is full, so that an
 * execution can still be ended, and taken again before the next one begins. All sessions of a sandbox share it.
 */
import { appendFileSync, existsSync, rmSync } from 'node:fs'
import { isDiskFull } from '../host/errorCode.ts'

const reserveBytes = 8 * 1024 * 1024
const piece = Buffer.alloc(64 * 1024)

export type Reserve = {
  /** False when the disk has no room for it: no new work should begin. */
  take(): boolean
  release(): void
}

export function createReserve(path: string): Reserve {
  return {
    take() {
      if (existsSync(path)) return true
      try {
        // Written in pieces: 8 MiB of zeros at once would stay in our memory.
        for (let bytes = 0; bytes < reserveBytes; bytes += piece.length) appendFileSync(path, piece, { mode: 0o600 })
        return true
      } catch (error) {
        if (!isDiskFull(error)) throw error
        rmSync(path, { force: true })
        return false
      }
    },
    release() {
      rmSync(path, { force: true })
    },
  }
}
