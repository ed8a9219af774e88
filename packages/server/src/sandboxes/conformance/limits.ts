// What a sandbox may take of its host, and that whoever takes more in it harms neither the sandbox nor its neighbors.
// Here the kernel alone stands for it; the supervisor's own watch is tested with the supervisor.
import { expect, test } from 'vitest'
import { findTrees } from '../cgroups/cgroups.ts'
import type { Controller } from '../cgroups/hierarchy.ts'
import type { Guest, World } from './world.ts'

export function limitTests(world: () => World): void {
  /** Nothing of its own has ended: neither the init nor the supervisor. */
  async function stillAnswers(guest: Guest) {
    await expect.poll(() => guest.run('true'), { timeout: 10_000 }).toMatchObject({ code: 0 })
    expect(await guest.hello()).toMatchObject({ incarnation: 1 })
  }

  const without = async (controller: Controller) =>
    world().driver.name === 'bubblewrap' && (await findTrees())?.parents[controller] === undefined

  test('files too large and a full /tmp fail inside, and it still answers', async () => {
    const guest = await world().start()
    const large = await guest.run('dd', 'if=/dev/zero', 'of=/workspace/large', 'bs=1M', 'count=40')
    expect(large.code).not.toBe(0)
    const full = await guest.run('sh', '-c', 'for i in 1 2 3; do head -c 30M /dev/zero > /tmp/$i || exit 1; done')
    expect(full).toMatchObject({ code: 1, stderr: expect.stringContaining('No space left') })
    expect(await guest.read('sh', '-c', 'rm /workspace/large /tmp/1 /tmp/2 /tmp/3; echo fine')).toBe('fine')
  })

  test('a program that takes all memory ends, and it still answers', async ({ skip }) => {
    if (await without('memory')) skip('this host lets nobody make control groups for memory; the supervisor watches it')
    const guest = await world().start()
    // `tail` keeps what it reads until there is a line's end.
    const hog = await guest.run('sh', '-c', 'head -c 900M /dev/zero | tail -n 1 | wc -c')
    expect(Number(hog.stdout)).toBeLessThan(900 * 1024 ** 2)
    expect(hog.stderr).toMatch(/Killed|memory exhausted|^$/)
    await stillAnswers(guest)
  })

  test('a program that starts others without end is refused, and it still answers when that is over', async ({
    skip,
  }) => {
    const guest = await world().start()
    const rootToTheKernel = guest.spec.hostUser === undefined && process.geteuid?.() === 0
    if (rootToTheKernel && (await without('pids'))) skip('nobody counts the processes of root here')
    const bomb = 'for i in $(seq 300); do sleep 1 >/dev/null 2>&1 & done'
    expect(await guest.run('sh', '-c', bomb)).toMatchObject({ stderr: expect.stringContaining('fork') })
    await stillAnswers(guest)
  })

  test('one that burns all processors leaves its neighbor as much as it takes', async ({ skip }) => {
    if (await without('cpu')) skip('this host lets nobody make control groups for processors')
    const [many, one] = await Promise.all([world().start(), world().start()])
    const [ofMany, ofOne] = await Promise.all([burn(many, 8), burn(one, 1)])
    expect(ofOne / ofMany).toBeGreaterThan(0.3)
  })
}

/** The seconds of processor that so many programs got within two seconds. */
async function burn(guest: Guest, programs: number): Promise<number> {
  const script = `for i in $(seq ${programs}); do timeout 2 sh -c 'while :; do :; done' & done; wait; times`
  const [, children = ''] = (await guest.read('bash', '-c', script)).split('\n')
  const [, minutes, seconds] = /^(\d+)m([\d.]+)s/.exec(children) ?? []
  return Number(minutes) * 60 + Number(seconds)
}
