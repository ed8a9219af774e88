/** Whose fault is it that a commit failed: does the database only need time, or can these events never be stored? */
import { CorralError } from '@corral/protocol'
import { isConnectionError } from '../database/connect.ts'

/**
 * Connection, rollback for another transaction's sake, resources, a lock or an object in use, an operator, the system,
 * PostgreSQL's own inside; and a transaction that was ended because we slept in it.
 */
const passing = /^((08|40|53|55|57|58|XX)...|25P0[34])$/

/** Whether the same events may be stored later as they are. All else, a bug of the sink included, is theirs. */
export function isPassing(error: unknown): boolean {
  if (isConnectionError(error)) return true
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current instanceof CorralError && current.reason === 'unavailable') return true
    if ('code' in current && passing.test(String(current.code))) return true
  }
  return false
}

/** Another transaction was in the way, and this one is to be repeated: a deadlock, a serialization failure. */
export function isConflict(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if ('code' in current && /^40...$/.test(String(current.code))) return true
  }
  return false
}
