/**
 * The processes of an installation, told by its folder: as an argument, in the environment, or as a place that is
 * mounted into the process's view, which is how everything inside a sandbox shows where it belongs.
 */
import { readdir, readFile } from 'node:fs/promises'

export type FoundProcess = { pid: number; commandLine: string }

export async function processesOf(folder: string): Promise<FoundProcess[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0 && pid !== process.pid)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [commandLine, environment, mounts] = await Promise.all(
        ['cmdline', 'environ', 'mountinfo'].map((name) => readProc(pid, name)),
      )
      const belongs = [commandLine, environment, mounts].some((text) => text?.includes(folder))
      return belongs ? [{ pid, commandLine: (commandLine ?? '').replaceAll('\0', ' ').trim() }] : []
    }),
  )
  return found.flat()
}

/** Empty for a process that has ended meanwhile, or belongs to somebody else. */
async function readProc(pid: number, name: string): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/${name}`, 'latin1')
  } catch (error) {
    if (error instanceof Error && 'code' in error) return ''
    throw error
  }
}
