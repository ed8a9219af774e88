import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { runAsOtherUser, sourcesForOtherUser } from '../testing/otherUser.ts'
import { hostUserIdsUsable } from './hostUser.ts'
import { runFolder } from './runFolder.ts'

const folders: string[] = []
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true })
})

function temporaryFolder(): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'corral run ')))
  folders.push(path)
  return path
}

async function madeRunFolder(dataFolder: string): Promise<string> {
  const made = await runFolder(dataFolder)
  folders.push(made)
  return made
}

const mode = (path: string) => statSync(path).mode & 0o777

describe('a run folder', () => {
  test('is the same for every path to the data folder, and another one for another data folder', async () => {
    const home = temporaryFolder()
    const made = await madeRunFolder(join(home, 'data'))
    symlinkSync(join(home, 'data'), join(home, 'link'))
    expect(await madeRunFolder(join(home, 'link'))).toBe(made)
    expect(await madeRunFolder(join(home, 'other'))).not.toBe(made)
  })

  test('is another one for a data folder that was moved, though that remembers its old one', async () => {
    const home = temporaryFolder()
    const made = await madeRunFolder(join(home, 'data'))
    renameSync(join(home, 'data'), join(home, 'moved'))
    const moved = await madeRunFolder(join(home, 'moved'))
    expect(moved).not.toBe(made)
    expect(await madeRunFolder(join(home, 'moved'))).toBe(moved)
  })

  test('is made again when the machine has forgotten it', async () => {
    const data = temporaryFolder()
    const made = await madeRunFolder(data)
    rmSync(made, { recursive: true })
    expect(await madeRunFolder(data)).toBe(made)
    expect(statSync(join(made, 'doors')).isDirectory()).toBe(true)
  })

  test('gets its narrow mode back', async () => {
    const data = temporaryFolder()
    const made = await madeRunFolder(data)
    const narrow = mode(made)
    chmodSync(made, 0o777)
    await madeRunFolder(data)
    expect(mode(made)).toBe(narrow)
  })
})

describe.skipIf(!hostUserIdsUsable())('a run folder of root (needs root)', () => {
  test('lets others pass through to the doors by name, and neither list nor write', async () => {
    const made = await madeRunFolder(temporaryFolder())
    expect(made).toMatch(/^\/run\/corral\/[0-9a-f]{8}$/)
    for (const path of [dirname(made), made, join(made, 'doors')]) expect(mode(path)).toBe(0o711)
  })

  test('is refused when it belongs to somebody else or is a link', async () => {
    const data = temporaryFolder()
    const made = await madeRunFolder(data)
    chownSync(made, 65534, 65534)
    await expect(runFolder(data)).rejects.toThrow('belongs to another user (id 65534)')
    rmSync(made, { recursive: true })
    symlinkSync(tmpdir(), made)
    await expect(runFolder(data)).rejects.toThrow('is not a folder')
  })
})

describe.skipIf(!hostUserIdsUsable())('a run folder of an ordinary user (needs root)', () => {
  const uid = 1_234_567
  const ownFolder = () => {
    const path = temporaryFolder()
    chownSync(path, uid, uid)
    return path
  }
  const runFolderAsUser = async (dataFolder: string, runtimeDir?: string) => {
    const call = `runFolder(${JSON.stringify(dataFolder)}, { runtimeDir: ${JSON.stringify(runtimeDir)} })`
    return runAsOtherUser(
      uid,
      `import { runFolder } from '${sourcesForOtherUser}/host/runFolder.ts'
       console.log(await ${call}.catch((error) => error.message))`,
    )
  }

  test('lies in the runtime folder, and is found there by a process that does not know that one', async () => {
    const [data, runtimeDir] = [ownFolder(), ownFolder()]
    const made = await runFolderAsUser(data, runtimeDir)
    expect(dirname(made)).toBe(join(runtimeDir, 'corral'))
    expect(mode(made)).toBe(0o700)
    expect(await runFolderAsUser(data)).toBe(made)
  })

  test('lies in a private folder in the temporary folder when the runtime folder is none of ours', async () => {
    const [data, foreign] = [ownFolder(), temporaryFolder()]
    const made = await runFolderAsUser(data, foreign)
    folders.push(dirname(made))
    expect(dirname(made)).toBe(join(tmpdir(), `corral-${uid}`))
    expect([mode(dirname(made)), mode(made)]).toEqual([0o700, 0o700])
  })

  test('is refused in a folder too long for sockets', async () => {
    const runtimeDir = join(ownFolder(), 'x'.repeat(60))
    mkdirSync(runtimeDir)
    chownSync(runtimeDir, uid, uid)
    expect(await runFolderAsUser(ownFolder(), runtimeDir)).toContain('is too long for sockets')
  })
})
