/**
 * A copy of these sources with changes in it, that runs as they do: its own packages, everybody else's by links. Invariant:
 * nothing is written to the sources themselves; disposing removes the copy.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Sabotage } from './sabotages.ts'

export const repository = join(import.meta.dirname, '..', '..', '..')

export type Copy = AsyncDisposable & { folder: string }

/** The text with a change in it; throws unless what is to be changed is there once. */
export function changed(text: string, { file, was, becomes }: Sabotage['changes'][number]): string {
  const [before, after, ...more] = text.split(was)
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`${file} does not have this once:\n${was}`)
  return before + becomes + after
}

export async function copyWith({ changes }: Pick<Sabotage, 'changes'>): Promise<Copy> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-sabotage-'))
  const ours = (path: string) => basename(path) !== 'node_modules'
  const names = (await readdir(repository)).filter((name) => ours(name) && !name.startsWith('.'))
  for (const name of names) await cp(join(repository, name), join(folder, name), { recursive: true, filter: ours })
  await linkModules(folder)
  for (const change of changes) {
    const path = join(folder, change.file)
    await writeFile(path, changed(await readFile(path, 'utf8'), change))
  }
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

async function linkModules(folder: string): Promise<void> {
  const [from, to] = [join(repository, 'node_modules'), join(folder, 'node_modules')]
  await mkdir(to)
  for (const name of await readdir(from)) {
    // Both lead by relative links to the packages of whoever has them.
    const isOurs = name === '@corral' || name === '.bin'
    if (isOurs) await cp(join(from, name), join(to, name), { recursive: true, verbatimSymlinks: true })
    else await symlink(join(from, name), join(to, name))
  }
  const packages = await readdir(join(repository, 'packages'))
  for (const name of packages) {
    const own = join(repository, 'packages', name)
    if ((await readdir(own)).includes('node_modules'))
      await symlink(join(own, 'node_modules'), join(folder, 'packages', name, 'node_modules'))
  }
}
