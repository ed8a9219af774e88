/**
 * Host user ids for new sandboxes. Invariants: an id is given once on this host, whichever data folder asks, since files
 * of its first holder may remain; and never one that an account or a rootless container of this host may hold.
 *
 * What was given is remembered as a file whose name is the highest id, in a folder that all data folders share. Whoever
 * makes the next name has that id, unless a higher one is there afterwards: then somebody was faster.
 */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { firstHostUser, lastHostUser } from './hostUser.ts'
import { hasCode } from './systemError.ts'

const hostFolder = '/var/lib/corral/host-users'

/**
 * @param above the highest id that the caller's own records know, since a data folder may come from another host.
 * @throws when all ids are used up.
 */
export function newHostUser(above: number | null, folder: string = hostFolder): number {
  makeFolder(folder)
  const reserved = reservedOnThisHost()
  for (;;) {
    const id = nextHostUser(Math.max(above ?? 0, ...givenIn(folder)), reserved)
    if (!made(join(folder, String(id)))) continue
    const given = givenIn(folder)
    for (const lower of given.filter((other) => other < id)) rmSync(join(folder, String(lower)), { force: true })
    if (given.every((other) => other <= id)) return id
  }
}

export type IdRange = { first: number; count: number }

/** The lowest id above `highest` that nothing on this host has reserved. */
export function nextHostUser(highest: number, reserved: IdRange[]): number {
  let id = Math.max(highest + 1, firstHostUser)
  for (const { first, count } of reserved.toSorted((a, b) => a.first - b.first)) {
    if (id >= first && id < first + count) id = first + count
  }
  if (id > lastHostUser) {
    throw new Error('No host user id is left for a new sandbox. Start Corral as an ordinary user instead of root.')
  }
  return id
}

function reservedOnThisHost(): IdRange[] {
  const ranges = ['/etc/subuid', '/etc/subgid'].flatMap((path) => subordinateRanges(readIfThere(path)))
  const accounts = ['/etc/passwd', '/etc/group'].flatMap((path) => accountIds(readIfThere(path)))
  return [...ranges, ...accounts.map((id) => ({ first: id, count: 1 }))]
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    if (!hasCode(error, 'EROFS', 'EACCES', 'EPERM')) throw error
    throw new Error(`Corral notes in ${folder} which host user ids it gave to sandboxes, but may not write there.`, {
      cause: error,
    })
  }
}

const givenIn = (folder: string): number[] => readdirSync(folder).map(Number).filter(Number.isInteger)

function made(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600))
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

/** `name:first:count` lines of /etc/subuid and /etc/subgid. */
export function subordinateRanges(text: string): IdRange[] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .map(([, first, count]) => ({ first: Number(first), count: Number(count) }))
    .filter(({ first, count }) => Number.isInteger(first) && count > 0)
}

/** The third field of /etc/passwd and /etc/group. */
export function accountIds(text: string): number[] {
  return text
    .split('\n')
    .map((line) => Number(line.split(':')[2] ?? Number.NaN))
    .filter(Number.isInteger)
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return ''
    throw error
  }
}
