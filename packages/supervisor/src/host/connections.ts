/**
 * Whose the other end of a connection on loopback is: the kernel knows the socket by its ports, and processes by their
 * sockets. Null when nobody holds it any more.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { errorCode } from './errorCode.ts'

/** The environment of the process that holds the end with the port `own` of a connection to the port `other`. */
export function environmentOfConnection({ own, other }: { own: number; other: number }): string[] | null {
  const socket = socketOf(own, other)
  if (!socket) return null
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const held = unlessGone(() => readdirSync(`/proc/${pid}/fd`)) ?? []
    if (!held.some((fd) => unlessGone(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) === socket)) continue
    const environment = unlessGone(() => readFileSync(`/proc/${pid}/environ`, 'latin1'))
    if (environment) return environment.split('\0')
  }
  return null
}

/** See proc_net_tcp in the kernel's documentation: both addresses in hexadecimal, and the inode in the tenth column. */
function socketOf(own: number, other: number): string | null {
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const columns = line.trim().split(/\s+/)
    const [from, to] = [columns[1], columns[2]].map((address) => Number.parseInt(address?.split(':')[1] ?? '', 16))
    if (from === own && to === other) return `socket:[${columns[9]}]`
  }
  return null
}

/** Processes end, and some are not ours to look at. */
function unlessGone<T>(read: () => T): T | null {
  try {
    return read()
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')) return null
    throw error
  }
}
