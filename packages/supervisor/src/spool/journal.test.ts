import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

describe('a full disk', () => {
  it('costs output, but not the end of the execution', async (context) => {
    const script = fileURLToPath(new URL('../testing/fullDisk.ts', import.meta.url))
    // A file system of 12 MiB, in a mount namespace of the script's own.
    const inside = `mount -t tmpfs -o size=12m none /mnt && exec "$0" "$1" /mnt`
    const ran = await promisify(execFile)('unshare', [
      '--user',
      '--map-root-user',
      '--mount',
      'sh',
      '-c',
      inside,
      process.execPath,
      script,
    ]).catch((error: Error & { stderr?: string }) => error)
    if (ran instanceof Error && /unshare|mount/.test(String(ran.stderr)))
      return context.skip('no mount namespace can be made here')
    if (ran instanceof Error) throw ran
    expect(JSON.parse(ran.stdout)).toEqual({ lost: false, outcome: true, readBack: 'outcome' })
  })
})
