// Finds the process 1 of sandboxes in /proc. Invariants: a sandbox is alive as long as its process 1 is, whatever became
// of the program that made it; identity is what the kernel says, never what a process could write.
import { readdir } from 'node:fs/promises'
import { firstHostUser } from '../host/hostUser.ts'
import { identifyProcess, type ProcessIdentity, readProc } from '../host/processIdentity.ts'
import { type InitIdentity, parseInitPath } from './layout.ts'

/** Every sandbox that lives on this host and belongs to the data folder. */
export async function findSandboxes(mark: string): Promise<(InitIdentity & ProcessIdentity)[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger)
  const found = await Promise.all(
    pids.map(async (pid) => {
      if (!isOurInit((await readProc(`${pid}/status`)) ?? '')) return []
      const init = parseMountPoints((await readProc(`${pid}/mountinfo`)) ?? '')
        .map(parseInitPath)
        .find((identity) => identity?.mark === mark)
      const identity = init && (await identifyProcess(pid))
      return identity ? [{ ...init, ...identity }] : []
    }),
  )
  return found.flat()
}

/** Process 1 of a process namespace directly below ours, under our own user or one that we gave out. */
function isOurInit(status: string): boolean {
  const ids = /^NSpid:\s+\d+\s+(\d+)$/m.exec(status)
  const user = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])
  return ids?.[1] === '1' && (user === process.geteuid?.() || user >= firstHostUser)
}

const parseMountPoints = (mountinfo: string): string[] => mountinfo.split('\n').map((line) => line.split(' ')[4] ?? '')
